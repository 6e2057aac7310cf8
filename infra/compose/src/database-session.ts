/**
 * SQL on a database that no port leads to: one session, held by a script that runs in the container of the primary's
 * keeper with what that image carries. It has the part of `pg.Pool` that checkers use.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Pool } from "pg";
import { z } from "zod";
import { OperationalError } from "@understudy/runtime";
import type { Engine } from "./engine.ts";

const script = `
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import pg from "pg";
const read = (name) => readFileSync(process.env[name], "utf8").trim();
const client = new pg.Client({
  host: "127.0.0.1",
  port: 5432,
  user: "understudy_owner",
  password: read("UNDERSTUDY_OWNER_PASSWORD_FILE"),
  database: process.env.UNDERSTUDY_DATABASE,
  ssl: process.env.UNDERSTUDY_DATABASE_CA_FILE ? { ca: read("UNDERSTUDY_DATABASE_CA_FILE") } : false,
});
await client.connect();
for await (const line of createInterface({ input: process.stdin })) {
  const { text, values } = JSON.parse(line);
  const answer = await client.query(text, values).then(
    ({ rows, rowCount }) => ({ rows: rows ?? [], rowCount }),
    (error) => ({ error: error.message }),
  );
  process.stdout.write(JSON.stringify(answer) + "\\n");
}
await client.end();
`;

const answer = z.union([
  z.object({ rows: z.array(z.record(z.string(), z.unknown())), rowCount: z.int().nullable() }),
  z.object({ error: z.string() }),
]);

export class DatabaseSession {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #lines: Interface;
  #words = "";

  private constructor(engine: Engine, container: string) {
    this.#child = spawn("docker", ["exec", "-i", container, "node", "--input-type=module", "-e", script], {
      cwd: engine.options.folder,
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#words += text));
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  static open(engine: Engine, container: string): DatabaseSession {
    return new DatabaseSession(engine, container);
  }

  /** For checkers, which wait for each answer before they ask again. */
  get pool(): Pool {
    const query = (text: string, values: readonly unknown[] = []) => this.query(text, values);
    return { query, connect: () => Promise.resolve({ query, release: () => undefined }) } as unknown as Pool;
  }

  async query(text: string, values: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }> {
    this.#child.stdin.write(`${JSON.stringify({ text, values })}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new OperationalError("unavailable", `The session in the container ended: ${this.#words}`);
    const result = answer.parse(JSON.parse(value));
    if ("error" in result) throw new OperationalError("unavailable", result.error);
    return result;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    await ended;
    this.#lines.close();
  }
}
