/** Whether a front door may hand connections to this balancer. Pure. */

export interface AcceptanceFacts {
  readonly isDraining: boolean;
  /** The last table names a server that may get requests now. */
  readonly hasUsableServer: boolean;
  /** Since the message server was heard; undefined: never. */
  readonly silentMs: number | undefined;
  /** Since the table was compared with the stored one, which a majority of the NATS nodes vouches for. */
  readonly comparedMs: number | undefined;
}

/** Four publications missed: more than a takeover of the message server takes. */
export const heardWithinMs = 2_000;
/** While the message server is silent the store is asked every second. */
export const comparedWithinMs = 3_000;

const within = (ms: number | undefined, mostMs: number) => ms !== undefined && ms <= mostMs;

export const isHeard = (silentMs: number | undefined): boolean => within(silentMs, heardWithinMs);

/**
 * Whether the table is as good as any balancer's: told by the message server, or by the store while there is no message
 * server. A balancer that reaches neither is cut off, and another one may know better.
 */
export const isCurrent = (facts: Pick<AcceptanceFacts, "silentMs" | "comparedMs">): boolean =>
  isHeard(facts.silentMs) || within(facts.comparedMs, comparedWithinMs);

/**
 * False asks for no more than "rather another one": connections that come all the same are served by the last table.
 */
export const acceptsConnections = (facts: AcceptanceFacts): boolean =>
  !facts.isDraining && facts.hasUsableServer && isCurrent(facts);
