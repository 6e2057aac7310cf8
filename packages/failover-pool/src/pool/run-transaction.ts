/** `pool.transaction(work)`: BEGIN, the work, COMMIT; an error of the work rolls back and is thrown on. */
import type { PoolClient } from "pg";
import { kindOfError } from "../errors/error-table.ts";
import { ReplayDivergedError } from "../errors/pool-errors.ts";

export interface TransactionOptions {
  readonly isolation?: "serializable" | "repeatable read" | "read committed";
  readonly readOnly?: boolean;
  /** How often `work` is run again when nothing was committed: a conflict, or a replay that diverged. 0. */
  readonly repeats?: number;
}

const beginText = ({ isolation, readOnly }: TransactionOptions): string =>
  `BEGIN${isolation === undefined ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`}${readOnly === true ? " READ ONLY" : ""}`;

const mayRepeat = (error: unknown): boolean =>
  error instanceof ReplayDivergedError || kindOfError(error) === "conflict";

async function runOnce<Result>(
  client: PoolClient,
  work: (client: PoolClient) => Promise<Result>,
  begin: string,
): Promise<Result> {
  let result: Result;
  await client.query(begin);
  try {
    result = await work(client);
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
  await client.query("COMMIT");
  return result;
}

export async function runTransaction<Result>(
  connect: () => Promise<PoolClient>,
  work: (client: PoolClient) => Promise<Result>,
  options: TransactionOptions,
): Promise<Result> {
  const client = await connect();
  try {
    for (let repeats = options.repeats ?? 0; ; repeats--) {
      try {
        return await runOnce(client, work, beginText(options));
      } catch (error) {
        if (repeats <= 0 || !mayRepeat(error)) throw error;
      }
    }
  } finally {
    client.release();
  }
}
