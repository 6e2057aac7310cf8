/** Types of jobs: declared once, for those who enqueue, those who run, and the API, which checks payloads with them. */
import { defineJob, type JobDefinition } from "@understudy/work-queue";
import { z } from "zod";

/** Written with the order, in its own statement (orders/order-statements.ts). */
export const confirmOrder = defineJob({
  queue: "USERJOBS",
  type: "order.confirm",
  schema: z.strictObject({ orderId: z.uuid() }),
  restartable: true,
  attempts: 25,
  backoff: { firstMs: 500, maxMs: 60_000 },
  // Somebody waits for most other jobs of the queue; nobody for these.
  priority: -10,
  keepCompletedSeconds: 300,
});

export const deliverOrders = defineJob({
  queue: "MASSJOBS",
  type: "orders.deliver",
  schema: z.strictObject({
    warehouseId: z.int().positive().optional().describe("Absent: all of them"),
    batches: z.int().min(1).max(1_000).default(10).describe("At most so many for each warehouse"),
    carrierId: z.int().min(1).max(10).default(1),
  }),
  restartable: true,
  attempts: 10,
  timeoutMs: 600_000,
});

export const reportStock = defineJob({
  queue: "MASSJOBS",
  type: "stock.report",
  schema: z.strictObject({ day: z.iso.date().optional().describe("Absent: the day on which it was enqueued") }),
  restartable: true,
  attempts: 10,
  timeoutMs: 3_600_000,
  keepCompletedSeconds: 7 * 86_400,
});

const drill = z.strictObject({
  ms: z.number().min(0).max(86_400_000),
  effect: z.string().min(1).max(1_000).optional(),
});
/** Many attempts: a drill strikes the database, too. */
export const drillSleep = defineJob({
  queue: "USERJOBS",
  type: "drill.sleep",
  schema: drill,
  restartable: true,
  attempts: 50,
  backoff: { firstMs: 200, maxMs: 2_000 },
  keepCompletedSeconds: 86_400,
});
export const drillSleepOnce = defineJob({
  queue: "USERJOBS",
  type: "drill.sleep-once",
  schema: drill,
  restartable: false,
  keepCompletedSeconds: 86_400,
});

/** Whether an installation has the types that only drills use. */
export const hasDrills = (configuration: Readonly<Record<string, unknown>>): boolean =>
  configuration["UNDERSTUDY_ORDER_ENTRY_DRILLS"] === true;

export function jobDefinitions(
  configuration: Readonly<Record<string, unknown>>,
): readonly JobDefinition<never, unknown>[] {
  const own = [confirmOrder, deliverOrders, reportStock];
  const all = hasDrills(configuration) ? [...own, drillSleep, drillSleepOnce] : own;
  return all as unknown as readonly JobDefinition<never, unknown>[];
}
