import { InMemoryLeaseStore } from "./in-memory-lease-store.ts";
import { describeLeaseStore } from "./lease-store-conformance.ts";

describeLeaseStore("InMemoryLeaseStore", () => Promise.resolve(new InMemoryLeaseStore()));
