export { InMemoryLeaseStore } from "./in-memory-lease-store.ts";
export { describeLeaseStore } from "./lease-store-conformance.ts";
