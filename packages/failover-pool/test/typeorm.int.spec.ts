/**
 * Plain TypeORM on the pool, its connection cut around every statement: before the statement reaches the server, and
 * after the server has done it but before the answer arrives. The same work each time; the data must be there once.
 */
import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { DataSource, type Logger } from "typeorm";
import { ReplayDivergedError, type FailoverPool, type PoolFigures } from "../src/index.ts";
import { failoverPg } from "../src/typeorm.ts";
import { startRig, type Rig } from "./rig.ts";
import { accounts, entities, orders, positions, Tables, tickets, type Order, type Ticket } from "./typeorm-entities.ts";

type Cut = "before it is sent" | "after it is done";

/** Cuts the connection around the n-th statement that TypeORM sends. */
class Cutter implements Logger {
  #left = 0;
  #cut: Cut | undefined;
  hasCut = false;
  statement = "";

  constructor(private readonly rig: Rig) {}

  arm(statement: number, cut: Cut): void {
    this.#left = statement;
    this.#cut = cut;
    this.hasCut = false;
  }

  disarm(): void {
    this.#left = 0;
  }

  logQuery(query: string): void {
    if (this.#left === 0 || --this.#left > 0) return;
    this.hasCut = true;
    this.statement = query;
    if (this.#cut === "before it is sent") return this.rig.link.reset();
    const { open } = this.rig.link.counters;
    this.rig.link.shape({ dropAfterBytes: 0 }, ["to-client"]);
    const look = (): void => {
      if (this.rig.link.counters.open < open) this.rig.link.shape({}, ["to-client"]);
      else setImmediate(look);
    };
    look();
  }
  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}

let rig: Rig;
let cutter: Cutter;
let source: DataSource;

const newSource = (): DataSource =>
  new DataSource({
    type: "postgres",
    driver: failoverPg,
    host: "127.0.0.1",
    port: rig.link.port,
    username: "postgres",
    password: rig.server.password,
    database: rig.server.options.database,
    poolSize: 2,
    entities,
    migrations: [Tables],
    logger: cutter,
    extra: { holdMaxMs: 20_000 },
  });

beforeAll(async () => {
  rig = await startRig();
  cutter = new Cutter(rig);
  source = await newSource().initialize();
  await source.runMigrations();
});
afterAll(async () => {
  await source?.destroy();
  await rig?.stop();
});

const rows = async (text: string): Promise<unknown[]> => (await rig.direct.query<Record<string, unknown>>(text)).rows;

const clean = async (): Promise<void> => {
  await rig.direct.query("TRUNCATE orders, positions, accounts, tickets RESTART IDENTITY");
  await rig.direct.query("INSERT INTO accounts VALUES (1, 100), (2, 100)");
};

const figures = (): PoolFigures => (source.driver as unknown as { readonly master: FailoverPool }).master.figures;

interface Work {
  /** Runs with a cut somewhere inside. */
  readonly work: () => Promise<unknown>;
  /** What must be there afterwards, given what the work told its caller. */
  readonly holds: (told: never) => Promise<void>;
}

/** Every statement of the work, each with both cuts; ends when the work has fewer statements. */
async function cutEverywhere({ work, holds }: Work): Promise<number> {
  let cuts = 0;
  for (const cut of ["before it is sent", "after it is done"] as const) {
    for (let statement = 1; statement < 50; statement++) {
      await clean();
      const { retries } = figures();
      cutter.arm(statement, cut);
      let told: unknown;
      try {
        told = await work();
      } catch (cause) {
        throw new Error(`cut ${cut}: statement ${statement}, ${cutter.statement}`, { cause });
      } finally {
        cutter.disarm();
      }
      try {
        await holds(told as never);
      } catch (cause) {
        throw new Error(`after a cut ${cut}: statement ${statement}, ${cutter.statement}`, { cause });
      }
      if (!cutter.hasCut) break;
      // A cut that nobody noticed proves nothing.
      if (figures().retries > retries) cuts++;
    }
  }
  return cuts;
}

const newOrder = (): Order => ({
  id: randomUUID(),
  note: "new",
  positions: [
    { id: randomUUID(), item: 1 },
    { id: randomUUID(), item: 2 },
  ],
});

describe("TypeORM with ids made by the client, cut around each statement", () => {
  it("saves a graph, exactly once and without an error", async () => {
    const cuts = await cutEverywhere({
      work: () => source.manager.save(orders, newOrder()),
      holds: async ({ id }: Order) => {
        expect(await rows("SELECT id, note FROM orders")).toEqual([{ id, note: "new" }]);
        expect(await rows(`SELECT "orderId", item FROM positions ORDER BY item`)).toEqual([
          { orderId: id, item: 1 },
          { orderId: id, item: 2 },
        ]);
      },
    });
    expect(cuts).toBeGreaterThanOrEqual(10);
  });

  it("reads, changes and removes what it saved", async () => {
    await cutEverywhere({
      work: async () => {
        const order = await source.manager.save(orders, newOrder());
        const found = await source
          .getRepository(orders)
          .findOneOrFail({ where: { id: order.id }, relations: { positions: true } });
        found.note = "changed";
        await source.manager.save(orders, found);
        await source.manager.remove(positions, found.positions ?? []);
        return order.id;
      },
      holds: async (id: string) => {
        expect(await rows("SELECT id, note FROM orders")).toEqual([{ id, note: "changed" }]);
        expect(await rows("SELECT FROM positions")).toEqual([]);
      },
    });
  });

  it("transfers in a transaction, with a nested one that fails and is caught", async () => {
    const cuts = await cutEverywhere({
      work: () =>
        source.transaction(async (manager) => {
          const from = await manager.findOneOrFail(accounts, {
            where: { id: 1 },
            lock: { mode: "pessimistic_write" },
          });
          await manager.update(accounts, { id: 1 }, { balance: from.balance - 10 });
          await manager
            .transaction(async (nested) => {
              await nested.update(accounts, { id: 2 }, { balance: 0 });
              throw new Error("taken back");
            })
            .catch(() => undefined);
          await manager.transaction((nested) => nested.increment(accounts, { id: 2 }, "balance", 10));
          await manager.insert(orders, { id: randomUUID(), note: "transfer" });
          return manager.count(orders);
        }),
      holds: async (count: number) => {
        expect(count).toBe(1);
        expect(await rows("SELECT id, balance FROM accounts ORDER BY id")).toEqual([
          { id: 1, balance: 90 },
          { id: 2, balance: 110 },
        ]);
        expect(await rows("SELECT note FROM orders")).toEqual([{ note: "transfer" }]);
      },
    });
    expect(cuts).toBeGreaterThanOrEqual(20);
  });

  it("runs the query builder's statements, each on its own, and knows how many rows they changed", async () => {
    const cuts = await cutEverywhere({
      work: async () => {
        const [first, second] = [randomUUID(), randomUUID()];
        const inserted = await source
          .createQueryBuilder()
          .insert()
          .into(orders)
          .values([
            { id: first, note: "a" },
            { id: second, note: "b" },
          ])
          .execute();
        const updated = await source
          .createQueryBuilder()
          .update(orders)
          .set({ note: "c" })
          .where({ id: first })
          .execute();
        const added = await source
          .createQueryBuilder()
          .update(accounts)
          .set({ balance: () => "balance + 1" })
          .execute();
        const removed = await source.createQueryBuilder().delete().from(orders).where({ id: second }).execute();
        const left = await source.createQueryBuilder(orders, "o").getMany();
        return [inserted.identifiers.length, updated.affected, added.affected, removed.affected, left.length];
      },
      holds: async (told: number[]) => {
        expect(told).toEqual([2, 1, 2, 1, 1]);
        expect(await rows("SELECT note FROM orders")).toEqual([{ note: "c" }]);
        expect(await rows("SELECT balance FROM accounts")).toEqual([{ balance: 101 }, { balance: 101 }]);
      },
    });
    expect(cuts).toBe(10);
  });

  it("runs migrations up and down", async () => {
    await source.undoLastMigration();
    for (const cut of ["before it is sent", "after it is done"] as const) {
      for (let statement = 1; statement < 60; statement++) {
        cutter.arm(statement, cut);
        await source.runMigrations({ transaction: "all" });
        await source.undoLastMigration({ transaction: "all" });
        cutter.disarm();
        expect(await rows("SELECT FROM pg_tables WHERE tablename = 'orders'")).toHaveLength(0);
        if (!cutter.hasCut) break;
      }
    }
    await source.runMigrations();
    expect(await rows("SELECT name FROM migrations")).toEqual([{ name: "Tables1700000000000" }]);
  });
});

describe("TypeORM with ids made by the database, cut around each statement", () => {
  it("keeps the ids and times that the caller has seen", async () => {
    const cuts = await cutEverywhere({
      work: () =>
        source.transaction(async (manager) => {
          const first: Ticket = await manager.save(tickets, { name: "first" });
          const second: Ticket = await manager.save(tickets, { name: "second" });
          await manager.insert(orders, { id: randomUUID(), note: `${first.id} ${second.id}` });
          return [first, second];
        }),
      holds: async (told: Ticket[]) => {
        const found = await source.getRepository(tickets).find({ order: { id: "ASC" } });
        expect(found).toEqual(told.map(({ id, name, createdAt }) => ({ id, name, createdAt })));
        expect(await rows("SELECT note FROM orders")).toEqual([{ note: `${told[0]?.id} ${told[1]?.id}` }]);
      },
    });
    expect(cuts).toBeGreaterThanOrEqual(8);
  });

  it("saves outside a transaction of the caller's", async () => {
    await cutEverywhere({
      work: () => source.manager.save(tickets, { name: "alone" }),
      holds: async ({ id }: Ticket) =>
        expect(await rows("SELECT id, name FROM tickets")).toEqual([{ id, name: "alone" }]),
    });
  });

  it("says that it cannot, and commits nothing, where a value cannot be bound again", async () => {
    await clean();
    const transaction = source.transaction(async (manager) => {
      const [now] = await manager.query<{ stamp: string }[]>("SELECT clock_timestamp()::text AS stamp");
      await manager.insert(orders, { id: randomUUID(), note: now?.stamp ?? "" });
      rig.link.reset();
      await manager.insert(orders, { id: randomUUID(), note: "second" });
    });
    const error: unknown = await transaction.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ driverError: expect.any(ReplayDivergedError) });
    expect(await rows("SELECT FROM orders")).toEqual([]);
  });

  it("says when a result has changed between run and replay, and commits nothing", async () => {
    await clean();
    const transaction = source.transaction(async (manager) => {
      await manager.findOneByOrFail(accounts, { id: 1 });
      await manager.insert(orders, { id: randomUUID(), note: "seen 100" });
      rig.link.reset();
      await rig.direct.query("UPDATE accounts SET balance = 7 WHERE id = 1");
      await manager.insert(orders, { id: randomUUID(), note: "second" });
    });
    const error: unknown = await transaction.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ driverError: expect.any(ReplayDivergedError) });
    expect(await rows("SELECT FROM orders")).toEqual([]);
    expect(await rows("SELECT balance FROM accounts WHERE id = 1")).toEqual([{ balance: 7 }]);
  });
});

describe("TypeORM's streams", () => {
  it("give every row once although the connection is cut under them", async () => {
    await clean();
    await rig.direct.query("INSERT INTO orders SELECT gen_random_uuid(), n::text FROM generate_series(1, 500) n");
    const runner = source.createQueryRunner();
    const stream = await runner.stream("SELECT note FROM orders ORDER BY note::int");
    const notes: number[] = [];
    for await (const row of stream) {
      notes.push(Number((row as { note: string }).note));
      if (notes.length === 150) rig.link.reset();
    }
    await runner.release();
    expect(notes).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  });
});
