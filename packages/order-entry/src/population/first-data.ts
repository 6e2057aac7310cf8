/**
 * Puts the first data into an empty database, and adds warehouses to one that has fewer than asked for. All of it is one
 * transaction: a server killed in between leaves nothing of it.
 */
import { ConfigurationError, type Log } from "@understudy/runtime";
import type { ClientBase } from "pg";
import { cardinalityOf } from "./cardinality.ts";
import { itemRows, type Row, type TableRows, warehouseRows } from "./rows.ts";

export interface FirstDataSettings {
  /** How many warehouses there are at least. Default: as many as there are, or 1. */
  readonly warehouses?: number | undefined;
  /** Percent of TPC-C's cardinality within a warehouse. Default: as the data there have, or `defaultDensityPercent`. */
  readonly densityPercent?: number | undefined;
  readonly seed?: number | undefined;
}

export const defaultDensityPercent = 5;
const defaultSeed = 20_260_101;
/** Some megabytes of JSON a statement. */
const rowsPerStatement = 5_000;

export type FirstDataPlan =
  | { readonly kind: "nothing" }
  | {
      readonly kind: "generate";
      readonly isFirst: boolean;
      readonly seed: number;
      readonly densityPercent: number;
      readonly fromWarehouse: number;
      readonly toWarehouse: number;
    };

export interface DataThere {
  readonly warehouses: number;
  readonly seed: number;
  readonly densityPercent: number;
}

/** What is to be generated. @throws ConfigurationError when the settings contradict the data that are there. */
export function planFirstData(settings: FirstDataSettings, there: DataThere | undefined): FirstDataPlan {
  if (there !== undefined && (settings.densityPercent ?? there.densityPercent) !== there.densityPercent) {
    throw new ConfigurationError([
      `UNDERSTUDY_ORDER_ENTRY_DENSITY: is ${settings.densityPercent}, but the data were generated with ` +
        `${there.densityPercent}; leave it out, or begin with an empty database`,
    ]);
  }
  const fromWarehouse = (there?.warehouses ?? 0) + 1;
  const toWarehouse = settings.warehouses ?? Math.max(there?.warehouses ?? 0, 1);
  if (toWarehouse < fromWarehouse) return { kind: "nothing" };
  return {
    kind: "generate",
    isFirst: there === undefined,
    seed: there?.seed ?? settings.seed ?? defaultSeed,
    densityPercent: there?.densityPercent ?? settings.densityPercent ?? defaultDensityPercent,
    fromWarehouse,
    toWarehouse,
  };
}

/** Must run alone (advisory lock of `prepareDatabase`). */
export async function fillDatabase(client: ClientBase, settings: FirstDataSettings, log: Log): Promise<void> {
  const plan = planFirstData(settings, await dataThere(client));
  if (plan.kind === "nothing") return;
  const startedAt = performance.now();
  await client.query("BEGIN");
  try {
    for (const part of partsOf(plan)) await insert(client, part);
    if (plan.isFirst) {
      await client.query(
        "INSERT INTO order_entry.first_data (id, seed, density_percent, generated_at) VALUES (1, $1, $2, $3)",
        [plan.seed, plan.densityPercent, new Date()],
      );
    }
    // Without statistics the first plans of prepared statements are made for empty tables.
    await client.query("ANALYZE order_entry.customers, order_entry.items, order_entry.stock, order_entry.orders");
    await client.query("ANALYZE order_entry.order_positions, order_entry.districts, order_entry.warehouses");
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
  log.info({ ...plan, ms: Math.round(performance.now() - startedAt) }, "order entry data generated");
}

async function dataThere(client: ClientBase): Promise<DataThere | undefined> {
  const { rows } = await client.query<{ seed: string; density_percent: number; warehouses: string }>(
    "SELECT seed, density_percent, (SELECT count(*) FROM order_entry.warehouses) AS warehouses FROM order_entry.first_data",
  );
  const [row] = rows;
  return row && { seed: Number(row.seed), densityPercent: row.density_percent, warehouses: Number(row.warehouses) };
}

function* partsOf(plan: FirstDataPlan & { kind: "generate" }): Generator<TableRows> {
  const cardinality = cardinalityOf(plan.densityPercent);
  if (plan.isFirst) yield itemRows(plan.seed, cardinality);
  for (let warehouse = plan.fromWarehouse; warehouse <= plan.toWarehouse; warehouse += 1) {
    yield* warehouseRows(plan.seed, warehouse, cardinality);
  }
}

/** Rows as one JSON text: PostgreSQL turns it into a table faster than we could write thousands of parameters. */
async function insert(client: ClientBase, { table, rows }: TableRows): Promise<void> {
  for (const chunk of chunksOf(rows)) {
    await client.query(
      `INSERT INTO order_entry.${table} SELECT * FROM json_populate_recordset(null::order_entry.${table}, $1)`,
      [JSON.stringify(chunk)],
    );
  }
}

function* chunksOf(rows: Iterable<Row>): Generator<Row[]> {
  let chunk: Row[] = [];
  for (const row of rows) {
    chunk.push(row);
    if (chunk.length < rowsPerStatement) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
