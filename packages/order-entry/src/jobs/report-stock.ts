/** The nightly report: what each warehouse has and what it is worth. A long job, which tells how far it is. */
import type { FailoverPool } from "@understudy/failover-pool";
import type { JobHandler } from "@understudy/work-queue";
import { reportStock as definition } from "./job-definitions.ts";

/** Also what the watcher calls low. */
export const lowQuantity = 12;
const itemsAtOnce = 5_000;

interface Sums {
  items: number;
  pieces: number;
  valueCents: number;
  lowItems: number;
}

export const reportStock = (pool: FailoverPool): JobHandler =>
  definition.handledBy(async ({ day }, job) => {
    const of = day ?? job.enqueuedAt.toISOString().slice(0, 10);
    const { rows: warehouses } = await pool.query<{ id: number }>("SELECT id FROM order_entry.warehouses ORDER BY id");
    const reports: (Sums & { warehouse: number })[] = [];
    for (const [index, { id: warehouse }] of warehouses.entries()) {
      const sums: Sums = { items: 0, pieces: 0, valueCents: 0, lowItems: 0 };
      for (let after = 0; ;) {
        if (job.signal.aborted) throw job.signal.reason;
        const part = await readPart(pool, warehouse, after);
        if (part.last === null) break;
        after = part.last;
        for (const name of ["items", "pieces", "valueCents", "lowItems"] as const) sums[name] += Number(part[name]);
        job.progress({ warehouse: index + 1, of: warehouses.length, items: sums.items });
      }
      reports.push({ warehouse, ...sums });
    }
    await pool.transaction(
      async (client) => {
        for (const { warehouse, items, pieces, valueCents, lowItems } of reports)
          await client.query(
            `INSERT INTO order_entry.stock_reports (day, warehouse_id, items, pieces, value_cents, low_items, made_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (day, warehouse_id) DO UPDATE SET items = excluded.items, pieces = excluded.pieces,
               value_cents = excluded.value_cents, low_items = excluded.low_items, made_at = excluded.made_at`,
            [of, warehouse, items, pieces, valueCents, lowItems, new Date()],
          );
        await job.completeIn(client, { day: of, warehouses: reports.length });
      },
      { repeats: 3 },
    );
  });

type Part = Readonly<Record<keyof Sums, string>> & { readonly last: number | null };

async function readPart(pool: FailoverPool, warehouse: number, after: number): Promise<Part> {
  const { rows } = await pool.query<Part>(
    `SELECT count(*) AS items, coalesce(sum(s.quantity), 0) AS pieces, max(s.item_id) AS last,
            coalesce(sum(s.quantity::bigint * i.price_cents), 0) AS "valueCents",
            count(*) FILTER (WHERE s.quantity <= $4) AS "lowItems"
       FROM (SELECT item_id, quantity FROM order_entry.stock WHERE warehouse_id = $1 AND item_id > $2
              ORDER BY item_id LIMIT $3) s
       JOIN order_entry.items i ON i.id = s.item_id`,
    [warehouse, after, itemsAtOnce, lowQuantity],
  );
  return rows[0] as Part;
}
