/** The floor: what the same statements cost without any queue around them. No features, no fencing. */
import pg from "pg";
import { poolSize, type BenchHandler, type BenchPayload, type MakeAdapter } from "./adapter.ts";

const take = `UPDATE raw_q SET state = 1
  WHERE id IN (SELECT id FROM raw_q WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id, payload`;

export const floorAdapter: MakeAdapter = ({ url }, { batch = 1_000, lanes = 2, notifies = false }) => {
  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  pool.on("error", () => undefined);
  const insert = notifies
    ? "WITH i AS (INSERT INTO raw_q (payload) VALUES ($1)) SELECT pg_notify('raw_q', '')"
    : "INSERT INTO raw_q (payload) VALUES ($1)";
  const waiters: (() => void)[] = [];
  const runLane = async (handler: BenchHandler): Promise<void> => {
    for (;;) {
      const { rows } = await pool.query<{ id: string; payload: BenchPayload }>({
        name: "take",
        text: take,
        values: [batch],
      });
      if (rows.length === 0) {
        await new Promise<void>((resolve) => {
          waiters.push(resolve);
          setTimeout(resolve, notifies ? 500 : 20);
        });
        continue;
      }
      await Promise.all(rows.map(async ({ payload }) => handler(payload)));
      const text = "DELETE FROM raw_q WHERE id = ANY ($1::bigint[])";
      await pool.query({ name: "done", text, values: [rows.map(({ id }) => id)] });
    }
  };
  return {
    async reset() {
      await pool.query(
        `DROP TABLE IF EXISTS raw_q;
         CREATE TABLE raw_q (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL DEFAULT 0,
                             payload jsonb NOT NULL);
         CREATE INDEX ON raw_q (id) WHERE state = 0`,
      );
    },
    async producer() {
      const many = "INSERT INTO raw_q (payload) SELECT * FROM unnest($1::jsonb[])";
      return {
        add: (payload) => pool.query({ name: "one", text: insert, values: [payload] }),
        addMany: (payloads) =>
          pool.query({ name: "many", text: many, values: [payloads.map((payload) => JSON.stringify(payload))] }),
        close: () => pool.end(),
      };
    },
    async consumer(handler) {
      if (notifies) {
        const listener = await pool.connect();
        await listener.query("LISTEN raw_q");
        listener.on("notification", () => {
          for (const resolve of waiters.splice(0)) resolve();
        });
      }
      await Promise.all(Array.from({ length: Number(lanes) }, () => pool.query("SELECT 1")));
      return () => {
        for (let lane = 0; lane < Number(lanes); lane++)
          void runLane(handler).catch((error: unknown) => console.error("floor", error));
      };
    },
    async pending() {
      const { rows } = await pool.query<{ n: number }>("SELECT count(*)::int AS n FROM raw_q");
      return rows[0]?.n ?? 0;
    },
  };
};
