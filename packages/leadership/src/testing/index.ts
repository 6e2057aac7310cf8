export { Agenda } from "./agenda.ts";
export { InMemoryLeaseStore } from "./in-memory-lease-store.ts";
export { describeLeaseStore } from "./lease-store-conformance.ts";
export { SeededRandom } from "./seeded-random.ts";
