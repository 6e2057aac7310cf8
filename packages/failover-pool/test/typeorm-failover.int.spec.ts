/** Plain TypeORM on a primary that is killed, and its standby promoted, between any two statements. */
import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { PostgresPair } from "@understudy/testkit";
import { DataSource, type EntityManager } from "typeorm";
import { failoverPg } from "../src/typeorm.ts";
import { accounts, entities, orders, Tables, tickets, type Ticket } from "./typeorm-entities.ts";

let pair: PostgresPair;
let source: DataSource;

beforeAll(async () => {
  pair = await PostgresPair.start();
  source = await new DataSource({
    type: "postgres",
    driver: failoverPg,
    // As the README shows it: several hosts, the password beside.
    url: pair.url,
    extra: { password: pair.password },
    poolSize: 4,
    entities,
    migrations: [Tables],
  }).initialize();
  await source.runMigrations();
});
afterAll(async () => {
  await source?.destroy();
  await pair?.remove();
});

async function failOver(): Promise<void> {
  await pair.primary.kill();
  await pair.promote();
}

const rows = (text: string): Promise<unknown[]> => pair.primary.query(text);

it("sees no error when the primary dies between any two statements, and everything is there once", async () => {
  const id = randomUUID();
  const steps: readonly ((manager: EntityManager) => Promise<unknown>)[] = [
    (manager) => manager.findOneByOrFail(accounts, { id: 1 }),
    (manager) => manager.save(orders, { id, note: "new", positions: [{ id: randomUUID(), item: 1 }] }),
    (manager) =>
      manager
        .createQueryBuilder()
        .update(accounts)
        .set({ balance: () => "balance - 5" })
        .execute(),
  ];
  // Before each step, and before COMMIT.
  for (let diesAt = 0; diesAt <= steps.length; diesAt++) {
    await rows("TRUNCATE orders, positions, accounts");
    await rows("INSERT INTO accounts VALUES (1, 100), (2, 100)");
    await source.transaction(async (manager) => {
      await manager.query("SELECT 1");
      for (const [at, step] of [...steps, () => Promise.resolve()].entries()) {
        if (at === diesAt) await failOver();
        await step(manager);
      }
    });
    expect(await rows("SELECT id, note FROM orders")).toEqual([{ id, note: "new" }]);
    expect(await rows('SELECT "orderId" FROM positions')).toEqual([{ orderId: id }]);
    expect(await rows("SELECT DISTINCT balance FROM accounts")).toEqual([{ balance: 95 }]);
    await pair.rejoin();
  }
}, 240_000);

it("keeps ids and times that the lost primary made, and nobody else is given them", async () => {
  const [first, second] = await source.transaction(async (manager): Promise<[Ticket, Ticket]> => {
    const before: Ticket = await manager.save(tickets, { name: "before" });
    await failOver();
    return [before, await manager.save(tickets, { name: "after" })];
  });
  const others = await Promise.all(
    Array.from({ length: 50 }, (_, index): Promise<Ticket> => source.manager.save(tickets, { name: `other ${index}` })),
  );
  const found = await source.manager.find(tickets, { order: { id: "ASC" } });
  expect(found).toHaveLength(52);
  expect(found.filter(({ id }) => id === first.id || id === second.id)).toEqual([first, second]);
  expect(new Set([first, second, ...others].map(({ id }) => id)).size).toBe(52);
}, 120_000);
