import { FailoverError } from "../errors/pool-errors.ts";

/** P5. The connection was lost under an open cursor, and another run of its query did not begin with the same rows. */
export class CursorLostError extends FailoverError {
  override readonly name = "CursorLostError";
  readonly code = "CURSOR_LOST";
  readonly committed = "no";
  readonly advice = "The rows read so far are those of a result that is gone. Run the query again, from its first row.";

  constructor(
    readonly rowsRead: number,
    why: string,
    cause?: unknown,
  ) {
    super(`The connection was lost under an open cursor after ${rowsRead} rows, and ${why}.`, { cause });
  }
}
