/** Whether an app server may register: a pure decision over what the leader knows. */
import {
  protocolVersion,
  type ClusterSettings,
  type RegisteredServer,
  type RegisterReply,
  type Registration,
} from "@understudy/contracts";

export type Refusal = Extract<RegisterReply, { verdict: "refused" }>;

export type RegistrationDecision =
  | { readonly kind: "accept" }
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** Another incarnation of the id is registered and silent: its fate first. */
  | { readonly kind: "supersede"; readonly predecessor: RegisteredServer };

export interface RegistrationFacts {
  readonly cluster: string;
  readonly settings: ClusterSettings;
  readonly known: RegisteredServer | undefined;
  /** Milliseconds since the known incarnation's last beat; undefined when it was never heard. */
  readonly knownSilentMs: number | undefined;
}

/** A registered incarnation that has missed four beats does not stand in the way of its successor. */
const missedBeats = 4;

const refuse = (reason: Refusal["reason"], message: string, retryAfterMs?: number): RegistrationDecision => ({
  kind: "refuse",
  refusal: { verdict: "refused", reason, message, ...(retryAfterMs !== undefined && { retryAfterMs }) },
});

export function decideRegistration(registration: Registration, facts: RegistrationFacts): RegistrationDecision {
  const { instance } = registration;
  const { known, settings } = facts;
  if (instance.cluster !== facts.cluster) {
    return refuse(
      "other-cluster",
      `${instance.id} belongs to cluster ${instance.cluster}, this one is ${facts.cluster}: check UNDERSTUDY_CLUSTER and UNDERSTUDY_NATS_SERVERS.`,
    );
  }
  if (Math.abs(registration.protocol - protocolVersion) > 1) {
    return refuse(
      "protocol",
      `${instance.id} speaks protocol ${registration.protocol}, this message server ${protocolVersion}; they may differ by one: update one of them.`,
    );
  }
  const { allowed } = settings.appServers;
  if (allowed.length > 0 && !allowed.includes(instance.id)) {
    return refuse(
      "not-allowed",
      `${instance.id} is not among appServers.allowed of the cluster configuration (${allowed.join(", ")}).`,
    );
  }
  if (known === undefined) return { kind: "accept" };
  if (known.instance.incarnation === instance.incarnation) {
    return known.state === "lost"
      ? refuse(
          "declared-lost",
          `Incarnation ${instance.incarnation} of ${instance.id} was declared lost: take a new one.`,
          1,
        )
      : { kind: "accept" };
  }
  if (known.state === "lost" || known.state === "left") return { kind: "accept" };
  // UUIDv7 sorts by time: an older incarnation must not push out a newer one.
  const isOlder = instance.incarnation < known.instance.incarnation;
  const isSilent = facts.knownSilentMs === undefined || facts.knownSilentMs >= missedBeats * settings.heartbeat.beatMs;
  if (isOlder || !isSilent) {
    return refuse(
      "duplicate-id",
      `Another process runs as ${instance.id} (incarnation ${known.instance.incarnation} on ${known.instance.machine}): give each its own UNDERSTUDY_ID.`,
      1_000,
    );
  }
  return { kind: "supersede", predecessor: known };
}
