export {
  initialState,
  mayAct,
  type Candidate,
  type ElectionAction,
  type ElectionEvent,
  type ElectionState,
} from "./election-state.ts";
export { electionStep } from "./election.ts";
export { Elector, type ElectorOptions } from "./elector.ts";
export { HolderProbe, type HolderProbeOptions } from "./holder-probe.ts";
export { isHeldBy, lease, leaderTermOf, type Lease, type SeenLease } from "./lease.ts";
export type { LeaseStore, SwapResult } from "./lease-store.ts";
export {
  keepLeaseElsewhere,
  keepStreamElsewhere,
  leaseBucket,
  leaseStream,
  NatsLeaseStore,
  type NatsLeaseStoreOptions,
} from "./nats/nats-lease-store.ts";
export { LeadershipHooks } from "./nest/leadership-hooks.ts";
export { OnLeadership, OnLeadershipLost, type LeadershipPhase } from "./nest/on-leadership.ts";
export { commitTerm, fencedWrite, highestTerm, leadershipSchema, StaleTermError } from "./postgres/term-fence.ts";
export { checkTiming, standardTiming, type LeaseTiming } from "./timing.ts";
