import type { PoolClient } from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { CursorLostError, TransactionLostError, type FailoverPool } from "../src/index.ts";
import { startRig, type Rig } from "./rig.ts";

interface Item {
  readonly id: number;
}

let rig: Rig;
let pool: FailoverPool;
let client: PoolClient;

beforeAll(async () => {
  rig = await startRig();
  await rig.direct.query("CREATE TABLE item (id int PRIMARY KEY, v text)");
});
afterAll(() => rig.stop());
beforeEach(async () => {
  await rig.direct.query("TRUNCATE item");
  await rig.direct.query("INSERT INTO item SELECT n, repeat('x', 200) FROM generate_series(1, 1000) n");
  pool = rig.pool({ max: 2 });
  client = await pool.connect();
});
afterEach(async () => {
  client.release();
  await pool.end();
});

const all = "SELECT id, v FROM item WHERE id > $1 ORDER BY id";
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const ids = (rows: readonly unknown[]) => rows.map((row) => (row as Item).id);
const open = () => client.query(new Cursor(all, [0]));

async function rest(cursor: Cursor, atOnce = 100): Promise<number[]> {
  const found: number[] = [];
  for (;;) {
    const rows = await cursor.read(atOnce);
    found.push(...ids(rows));
    if (rows.length < atOnce) return found;
  }
}

describe("a cursor whose connection is lost", () => {
  it("goes on at its place, wherever that was", async () => {
    for (const before of [0, 1, 100, 999, 1000]) {
      const cursor = open();
      const first = before === 0 ? [] : await cursor.read(before);
      rig.link.reset();
      expect([...ids(first), ...(await rest(cursor))]).toEqual(numbers(1, 1000));
      await cursor.close();
    }
    expect(pool.figures.replays).toBe(0);
  });

  it("goes on in the middle of what was asked for", async () => {
    const cursor = open();
    await cursor.read(10);
    for (const bytes of [0, 500, 5_000, 15_000]) {
      rig.link.shape({ dropAfterBytes: bytes }, ["to-client"]);
      const reading = cursor.read(100);
      await expectCut();
      rig.link.shape({}, ["to-client"]);
      expect(await reading).toHaveLength(100);
    }
    expect(await rest(cursor)).toEqual(numbers(411, 1000));
  });

  it("gives a stream every row once, over and over", async () => {
    const stream = client.query(new QueryStream(all, [0], { batchSize: 50 }));
    const found: number[] = [];
    for await (const row of stream) {
      found.push((row as Item).id);
      if (found.length % 300 === 0) rig.link.reset();
    }
    expect(found).toEqual(numbers(1, 1000));
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  it("goes on inside a transaction, which is replayed before it", async () => {
    await client.query("BEGIN");
    await client.query("UPDATE item SET v = 'changed' WHERE id = 1");
    const cursor = open();
    expect(await cursor.read(1)).toEqual([{ id: 1, v: "changed" }]);
    rig.link.reset();
    expect(await rest(cursor)).toEqual(numbers(2, 1000));
    await cursor.close();
    rig.link.reset();
    await client.query("COMMIT");
    expect((await rig.direct.query("SELECT v FROM item WHERE id = 1")).rows).toEqual([{ v: "changed" }]);
    expect(pool.figures.replays).toBe(2);
  });

  it("fails loudly when what it read is not there any more, and the client is of use again", async () => {
    const cursor = open();
    await cursor.read(10);
    await rig.direct.query("DELETE FROM item WHERE id = 5");
    rig.link.reset();
    await expect(cursor.read(10)).rejects.toThrow(CursorLostError);
    await expect(cursor.read(10)).rejects.toThrow(CursorLostError);
    expect((await client.query("SELECT count(*)::int AS n FROM item")).rows).toEqual([{ n: 999 }]);
  });

  it("fails loudly when less is there than it read", async () => {
    const cursor = open();
    await cursor.read(1000);
    await rig.direct.query("DELETE FROM item WHERE id = 1000");
    rig.link.reset();
    await expect(cursor.read(10)).rejects.toThrow(CursorLostError);
  });

  it("fails a stream in the same way, and its transaction with it", async () => {
    await client.query("BEGIN");
    await client.query("INSERT INTO item VALUES (5000, 'mine')");
    const stream = client.query(new QueryStream(all, [0], { batchSize: 50 }));
    const reading = (async () => {
      let count = 0;
      for await (const row of stream) {
        void row;
        if (++count !== 100) continue;
        await rig.direct.query("UPDATE item SET v = 'other' WHERE id = 7");
        rig.link.reset();
      }
    })();
    await expect(reading).rejects.toThrow(CursorLostError);
    await expect(client.query("COMMIT")).rejects.toThrow();
    expect((await rig.direct.query("SELECT FROM item WHERE id = 5000")).rows).toEqual([]);
  });

  it("is told that its transaction cannot be replayed after a cursor that was closed before its end", async () => {
    await client.query("BEGIN");
    await client.query("INSERT INTO item VALUES (5000, 'mine')");
    const cursor = open();
    await cursor.read(10);
    await cursor.close();
    rig.link.reset();
    await expect(client.query("SELECT 1")).rejects.toThrow(TransactionLostError);
    await client.query("ROLLBACK");
  });

  it("is not run again when it may have had an effect", async () => {
    await rig.direct.query(
      "CREATE FUNCTION add(n int) RETURNS int LANGUAGE sql AS $$ INSERT INTO item VALUES (n, 'added') RETURNING id $$",
    );
    const cursor = client.query(new Cursor("SELECT add(n) FROM generate_series(2001, 2100) n"));
    await cursor.read(10);
    rig.link.reset();
    await expect(cursor.read(10)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });
});

describe("a cursor on a connection that lives", () => {
  it("behaves as with pg: rows, errors, early ends, statements behind it", async () => {
    const cursor = open();
    expect(ids(await cursor.read(3))).toEqual([1, 2, 3]);
    await cursor.close();
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await expect(client.query(new Cursor("SELECT 1 / 0")).read(1)).rejects.toMatchObject({ code: "22012" });
    expect(await client.query(new Cursor("SELECT 1 WHERE false")).read(1)).toEqual([]);
    expect((await client.query("SELECT 2 AS two")).rows).toEqual([{ two: 2 }]);
    const stream = client.query(new QueryStream(all, [0]));
    for await (const row of stream) if ((row as Item).id === 5) break;
    expect((await client.query("SELECT 3 AS three")).rows).toEqual([{ three: 3 }]);
  });
});

async function expectCut(): Promise<void> {
  const { open: before } = rig.link.counters;
  await new Promise<void>((resolve) => {
    const look = (): void => (rig.link.counters.open < before ? resolve() : void setImmediate(look));
    look();
  });
}
