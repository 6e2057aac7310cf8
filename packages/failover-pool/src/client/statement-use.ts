/**
 * What the pool does with one text, worked out once: its analysis, and the text with the commit marker joined.
 *
 * A marked text gets a name for the server at its second use, so that it is parsed and planned once per connection:
 * measured, that makes up for the marker. The number of names is bounded: they stay on the server as long as the
 * connection.
 */
import { analyseStatement } from "../statements/analyse-statement.ts";
import { markedStatement, type CommitMarkerTable, type MarkedStatement } from "../statements/marked-statement.ts";
import type { Statement } from "../statements/statement.ts";

export interface StatementUse {
  readonly statement: Statement;
  /** Outside a transaction, with continuity on. */
  readonly autocommit: "read" | "call" | "write" | "control" | "other";
  /** Absent where no marker can be joined. */
  readonly marked: MarkedStatement | undefined;
  markedName: string | undefined;
  uses: number;
}

const mostUses = 2_000;
const mostNames = 500;

export class StatementUses {
  readonly #uses = new Map<string, StatementUse>();
  #names = 0;

  constructor(
    private readonly marker: CommitMarkerTable,
    /** The pool's own, of which nobody waits for the outcome. */
    private readonly unmarked: ReadonlySet<string>,
  ) {}

  of(text: string): StatementUse {
    const known = this.#uses.get(text);
    if (known !== undefined) return known;
    const statement = analyseStatement(text);
    const isMarked = (statement.kind === "write" || statement.kind === "call") && !this.unmarked.has(text);
    const use: StatementUse = {
      statement,
      autocommit: this.unmarked.has(text) ? "other" : autocommitRoute(statement),
      marked: isMarked ? markedStatement(statement, this.marker) : undefined,
      markedName: undefined,
      uses: 0,
    };
    if (this.#uses.size >= mostUses) {
      for (const oldest of this.#uses.keys()) {
        this.#uses.delete(oldest);
        break;
      }
    }
    this.#uses.set(text, use);
    return use;
  }

  /** The name of the marked text on the server; undefined at its first use. */
  nameOf(use: StatementUse): string | undefined {
    if (use.markedName === undefined && ++use.uses > 1 && this.#names < mostNames)
      use.markedName = `understudy_${++this.#names}`;
    return use.markedName;
  }

  /** Its plan on the server does not fit the tables any more. */
  renew(use: StatementUse): void {
    use.markedName = undefined;
  }
}

function autocommitRoute({ kind }: Statement): StatementUse["autocommit"] {
  // What it does to the session is to be done again in another one.
  if (kind === "read" || kind === "empty" || kind === "session" || kind === "listen" || kind === "unlisten")
    return "read";
  if (kind === "call") return "call";
  if (kind === "write") return "write";
  if (kind === "begin" || kind === "commit" || kind === "rollback") return "control";
  return "other";
}
