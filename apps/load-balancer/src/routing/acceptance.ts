/** Whether a front door may hand connections to this balancer. Pure. */

export interface AcceptanceFacts {
  readonly isDraining: boolean;
  /** The last table names a server that may get requests now. */
  readonly hasUsableServer: boolean;
  /** Since the message server was heard; undefined: never. */
  readonly silentMs: number | undefined;
}

/** Four publications missed: more than a takeover of the message server takes. */
export const contactLostAfterMs = 2_000;

export const hasContact = (silentMs: number | undefined): boolean =>
  silentMs !== undefined && silentMs <= contactLostAfterMs;

/**
 * False asks for nothing more than "rather another one": a front door that finds no balancer that accepts hands
 * connections to any. So a balancer whose table is stale says no, for another may know better, and still serves by
 * that table when no message server is left at all.
 */
export const acceptsConnections = (facts: AcceptanceFacts): boolean =>
  !facts.isDraining && facts.hasUsableServer && hasContact(facts.silentMs);
