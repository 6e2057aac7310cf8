export { checkConsistency, type Violation } from "./consistency.ts";
export { OrderLedger, type LedgerReport } from "./order-ledger.ts";
export { OrderLoad, type OrderLoadOptions } from "./order-load.ts";
export { percentile, summarize, type OrderLoadReport, type OrderRecord } from "./order-load-report.ts";
export { drillSleep, drillSleepOnce } from "../jobs/job-definitions.ts";
