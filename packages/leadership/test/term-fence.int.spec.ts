import { randomUUID } from "node:crypto";
import type { LeaderTerm } from "@understudy/contracts";
import { eventually, PostgresServer } from "@understudy/testkit";
import type { Pool, PoolClient } from "pg";
import { commitTerm, fencedWrite, highestTerm, leadershipSchema, StaleTermError } from "../src/index.ts";

const leaderOf = (term: number, id = "a"): LeaderTerm => ({ term, holder: { id, incarnation: randomUUID() } });
const settled = (promise: Promise<unknown>) =>
  promise.then(
    () => "done" as const,
    (error: unknown) => (error instanceof StaleTermError ? ("stale" as const) : error),
  );

describe("the term in PostgreSQL (L2)", () => {
  let server: PostgresServer;
  let pool: Pool;
  let role: string;
  let roles = 0;
  const clients: PoolClient[] = [];

  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = server.pool({ max: 30 });
    await pool.query(leadershipSchema);
    await pool.query("CREATE TABLE effect (id int PRIMARY KEY, value int NOT NULL, term bigint)");
  }, 60_000);
  beforeEach(async () => {
    role = `role-${(roles += 1)}`;
    await pool.query("DELETE FROM effect");
    await pool.query("INSERT INTO effect VALUES (1, 0, NULL)");
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      await client.query("ROLLBACK");
      client.release();
    }
  });
  afterAll(() => server.remove());

  const transaction = async (): Promise<PoolClient> => {
    const client = await pool.connect();
    clients.push(client);
    await client.query("BEGIN");
    return client;
  };
  const backendOf = async (client: PoolClient): Promise<number> =>
    (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid as number;
  /** Resolves when some backend waits for a lock that `blocker` holds; gives the waiting one. */
  const waitsFor = (blocker: number): Promise<number> =>
    eventually(
      async () => {
        const { rows } = await pool.query<{ pid: number }>(
          "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))",
          [blocker],
        );
        return rows[0]?.pid;
      },
      { describe: `a backend waits for ${blocker}` },
    );
  const effects = async () =>
    (await pool.query<{ id: number; value: number }>("SELECT id, value FROM effect ORDER BY id")).rows;

  const statements = {
    update:
      "UPDATE effect SET value = value + 1, term = $2 WHERE id = $4 AND EXISTS (SELECT 1 FROM term_holds) RETURNING id, value",
    upsert: `INSERT INTO effect AS e (id, value, term) SELECT $4, 100, $2 WHERE EXISTS (SELECT 1 FROM term_holds)
      ON CONFLICT (id) DO UPDATE SET value = e.value + 1 RETURNING id, value`,
    delete: "DELETE FROM effect WHERE id = $4 AND EXISTS (SELECT 1 FROM term_holds) RETURNING id, value",
  };
  const kinds = Object.keys(statements) as (keyof typeof statements)[];
  const write = (database: Pool | PoolClient, leader: LeaderTerm, kind: keyof typeof statements = "update", id = 1) =>
    fencedWrite<{ id: number; value: number }>(database, role, leader, statements[kind], [id]);

  describe("is committed", () => {
    it("by one of many who want it at once", async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => settled(commitTerm(pool, role, leaderOf(7, `candidate-${index}`)))),
      );
      expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === "stale")).toHaveLength(19);
      expect(await highestTerm(pool, role)).toBe(7);
    });

    it("never downwards, in whatever order terms arrive at once", async () => {
      expect(await highestTerm(pool, role)).toBe(0);
      const terms = Array.from({ length: 24 }, (_, index) => ((index * 7) % 24) + 1);
      const outcomes = await Promise.all(terms.map((term) => settled(commitTerm(pool, role, leaderOf(term)))));
      expect(outcomes.every((outcome) => outcome === "done" || outcome === "stale")).toBe(true);
      expect(outcomes[terms.indexOf(24)]).toBe("done");
      expect(await highestTerm(pool, role)).toBe(24);
      const { rows } = await pool.query<{ term: string }>(
        "SELECT term FROM understudy.leadership_term WHERE role = $1",
        [role],
      );
      const noted = new Set(rows.map((row) => Number(row.term)));
      expect(noted).toEqual(new Set(terms.filter((_, index) => outcomes[index] === "done")));
    });

    it("as often as the same incarnation likes, also at once", async () => {
      const leader = leaderOf(3);
      await Promise.all(Array.from({ length: 8 }, () => commitTerm(pool, role, leader)));
      await commitTerm(pool, role, leader);
      expect(await highestTerm(pool, role)).toBe(3);
    });

    it("not by another incarnation of the same id, nor in an older term, nor for another role's sake", async () => {
      await commitTerm(pool, role, leaderOf(3));
      await expect(commitTerm(pool, role, leaderOf(3))).rejects.toBeInstanceOf(StaleTermError);
      await expect(commitTerm(pool, role, leaderOf(2))).rejects.toBeInstanceOf(StaleTermError);
      await commitTerm(pool, `${role}-other`, leaderOf(1));
      expect(await highestTerm(pool, role)).toBe(3);
    });
  });

  describe("inside a write", () => {
    it.each(kinds)("lets the %s of the present term through and gives its rows", async (kind) => {
      const leader = leaderOf(1);
      await commitTerm(pool, role, leader);
      const value = kind === "delete" ? 0 : 1;
      expect(await write(pool, leader, kind)).toEqual([{ id: 1, value }]);
      expect(await effects()).toEqual(kind === "delete" ? [] : [{ id: 1, value }]);
    });

    it("tells a write that touched nothing from one that was refused", async () => {
      const leader = leaderOf(1);
      await commitTerm(pool, role, leader);
      expect(await write(pool, leader, "update", 99)).toEqual([]);
    });

    it.each(kinds)("refuses the %s of an older term, of a term not committed, and of a double", async (kind) => {
      const old = leaderOf(1);
      await expect(write(pool, old, kind)).rejects.toBeInstanceOf(StaleTermError);
      await commitTerm(pool, role, old);
      await commitTerm(pool, role, leaderOf(2));
      await expect(write(pool, old, kind)).rejects.toBeInstanceOf(StaleTermError);
      await expect(write(pool, leaderOf(2), kind)).rejects.toBeInstanceOf(StaleTermError);
      await expect(write(pool, leaderOf(3), kind)).rejects.toBeInstanceOf(StaleTermError);
      expect(await effects()).toEqual([{ id: 1, value: 0 }]);
    });

    it.each(kinds)("makes the %s wait for a new term that is being committed, then refuses it", async (kind) => {
      const old = leaderOf(1);
      await commitTerm(pool, role, old);
      const takeover = await transaction();
      await commitTerm(takeover, role, leaderOf(2));
      const late = settled(write(pool, old, kind));
      await waitsFor(await backendOf(takeover));
      await takeover.query("COMMIT");
      expect(await late).toBe("stale");
      expect(await effects()).toEqual([{ id: 1, value: 0 }]);
    });

    it("lets a write through whose would-be successor failed to commit", async () => {
      const old = leaderOf(1);
      await commitTerm(pool, role, old);
      const takeover = await transaction();
      await commitTerm(takeover, role, leaderOf(2));
      const late = write(pool, old);
      await waitsFor(await backendOf(takeover));
      await takeover.query("ROLLBACK");
      expect(await late).toEqual([{ id: 1, value: 1 }]);
    });

    it.each(kinds)(
      "is asked before the row: while an old %s waits for its row, the new term waits for it",
      async (kind) => {
        const old = leaderOf(1);
        await commitTerm(pool, role, old);
        const other = await transaction();
        await other.query("UPDATE effect SET value = 10 WHERE id = 1");
        const writing = write(pool, old, kind);
        const writer = await waitsFor(await backendOf(other));
        const order: string[] = [];
        const takeover = commitTerm(pool, role, leaderOf(2)).then(() => order.push("term 2"));
        await waitsFor(writer);
        await other.query("COMMIT");
        await writing.then(() => order.push("write of term 1"));
        await takeover;
        // Its effect came before the new term, and it saw what it had waited for.
        expect(order).toEqual(["write of term 1", "term 2"]);
        expect(await effects()).toEqual(kind === "delete" ? [] : [{ id: 1, value: 11 }]);
        await expect(write(pool, old, kind)).rejects.toBeInstanceOf(StaleTermError);
      },
    );

    it("holds the new term off until the end of a whole transaction", async () => {
      const old = leaderOf(1);
      await commitTerm(pool, role, old);
      const work = await transaction();
      await write(work, old);
      const takeover = settled(commitTerm(pool, role, leaderOf(2)));
      await waitsFor(await backendOf(work));
      await write(work, old); // Still its term.
      await work.query("COMMIT");
      expect(await takeover).toBe("done");
      expect(await effects()).toEqual([{ id: 1, value: 2 }]);
    });

    it("lets writes of many at once through, without one waiting for the other", async () => {
      const leader = leaderOf(1);
      await commitTerm(pool, role, leader);
      const held = await transaction();
      await write(held, leader, "upsert", 1);
      await Promise.all(Array.from({ length: 10 }, (_, index) => write(pool, leader, "upsert", index + 2)));
      const before = await effects();
      expect(before).toHaveLength(11);
      expect(before[0]?.value).toBe(0);
      await held.query("COMMIT");
      expect((await effects())[0]?.value).toBe(1);
    });

    it("is demanded: a statement that does not ask for it is never sent", async () => {
      const leader = leaderOf(1);
      await commitTerm(pool, role, leader);
      const unfenced = fencedWrite(pool, role, leader, "UPDATE effect SET value = 5 WHERE id = $4 RETURNING id", [1]);
      await expect(unfenced).rejects.toThrow("term_holds");
      expect(await effects()).toEqual([{ id: 1, value: 0 }]);
    });

    it("tells a fault of the database from a stale term", async () => {
      const leader = leaderOf(1);
      await commitTerm(pool, role, leader);
      const faulty = write(pool, leader, "upsert", 2 ** 40);
      await expect(faulty).rejects.toThrow(/integer|out of range/);
      await expect(faulty).rejects.not.toBeInstanceOf(StaleTermError);
    });
  });

  it("gives rows in JSON's types: NULL is null, times are text, integers beyond 2^53 want a cast", async () => {
    await pool.query(`CREATE TABLE IF NOT EXISTS every_type (
      small int, flag boolean, at timestamptz, id uuid, list int[], tree jsonb, amount numeric, wide bigint, bytes bytea, nothing text)`);
    const leader = leaderOf(1);
    await commitTerm(pool, role, leader);
    const rows = await fencedWrite(
      pool,
      role,
      leader,
      `INSERT INTO every_type
       SELECT 7, true, '2026-01-02T03:04:05.678Z', $4::uuid, '{1,2,NULL}', '{"a": [1, null]}', 1.50, 9007199254740993, '\\xdead', NULL
       WHERE EXISTS (SELECT 1 FROM term_holds)
       RETURNING small, flag, at AT TIME ZONE 'UTC' AS at, id, list, tree, amount, wide::text AS wide, bytes, nothing`,
      ["0197a1c0-0000-7000-8000-000000000000"],
    );
    expect(rows).toEqual([
      {
        small: 7,
        flag: true,
        at: "2026-01-02T03:04:05.678",
        id: "0197a1c0-0000-7000-8000-000000000000",
        list: [1, 2, null],
        tree: { a: [1, null] },
        amount: 1.5,
        wide: "9007199254740993",
        bytes: "\\xdead",
        nothing: null,
      },
    ]);
  });
});
