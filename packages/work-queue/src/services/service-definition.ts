/** What a kind of service is: endless work of which one instance at a time has effects. */
import type { Transaction } from "../queue/queue-pool.ts";

export interface ServiceContext {
  readonly name: string;
  readonly payload: unknown;
  /** Higher with each change of hands. */
  readonly term: number;
  /** Aborted when another instance has taken over, this one was declared lost, or its worker stops. */
  readonly signal: AbortSignal;
  /** Throws `JobLostError`, and fails the transaction, unless this instance is the effective one. For each effect. */
  assertEffective(transaction: Transaction): Promise<void>;
}

export interface ServiceHandler {
  readonly type: string;
  /** What takes time and has no effects: run by a successor before it takes over, so that a planned move has no gap. */
  readonly prepare?: (service: Pick<ServiceContext, "name" | "payload" | "signal">) => Promise<void>;
  /** Runs until its signal is aborted. Started again, after growing waits, when it ends before. */
  readonly run: (service: ServiceContext) => Promise<void>;
}
