/** Owned by every service (beats, probes) and by the heartbeat-monitor (reports). */
import { z } from "zod";
import { defineEvent, defineRequest } from "./contract.ts";
import { instanceIdentity, instanceRef, name } from "./identity.ts";

export const hostFigures = z.object({
  /** Load average of one minute divided by the number of CPUs. */
  loadPerCpu: z.number().nonnegative(),
  memoryTotalBytes: z.number().nonnegative(),
  memoryAvailableBytes: z.number().nonnegative(),
  diskTotalBytes: z.number().nonnegative(),
  diskAvailableBytes: z.number().nonnegative(),
});
export type HostFigures = z.infer<typeof hostFigures>;

export const beat = defineEvent({
  subject: "understudy.heartbeat.beat.{id}",
  sentBy: "every service, several times a second, through each of its NATS connections",
  event: z.object({
    instance: instanceIdentity,
    /** Rises by one with every beat of the incarnation; the copies through other NATS nodes carry the same. */
    sequence: z.int().nonnegative(),
    sentAt: z.number(),
    /** Longest delay of the event loop since the last beat, milliseconds. */
    eventLoopLagMs: z.number().nonnegative(),
    residentBytes: z.number().nonnegative(),
    /** Fraction of one CPU since the last beat. */
    cpu: z.number().nonnegative(),
    /** Requests and jobs in work. */
    load: z.number().nonnegative(),
    ready: z.boolean(),
    host: hostFigures,
  }),
});
export type Beat = z.infer<typeof beat.event>;

/** Answered by the instance itself on every NATS node it reaches: 503 means that no node knows it any more. */
export const probe = defineRequest({
  subject: "understudy.heartbeat.probe.{id}",
  sentBy: "heartbeat-monitor, message-server",
  answeredBy: "instance",
  repeatable: true,
  request: z.object({}),
  reply: z.object({ incarnation: z.uuid() }),
});

export const evidenceKind = z.enum([
  /** The supervisor saw the process end. */
  "exit",
  /** A request to the instance's own subject was answered 503. */
  "no-responders",
  /** Probes stay unanswered while the prober itself is healthy. */
  "unanswered-probes",
  /** No beat through any NATS node for `lostAfterMs`. */
  "silence",
  /** The lease was not renewed for the whole silence. */
  "lease-expired",
  /** The holder gave the role away on purpose. */
  "hand-over",
  /** Nobody held the role before. */
  "first-start",
]);
export type EvidenceKind = z.infer<typeof evidenceKind>;

export const evidence = z.object({
  kind: evidenceKind,
  /** Wall clock of the observer, milliseconds since 1970. */
  at: z.number(),
  observer: z.string(),
  detail: z.string().optional(),
});
export type Evidence = z.infer<typeof evidence>;

/** What a monitor found. Never a decision: the message server alone decides an instance's fate. */
export const detectorReport = defineEvent({
  subject: "understudy.heartbeat.report",
  sentBy: "heartbeat-monitor",
  event: z.object({
    monitor: name,
    instance: instanceRef,
    verdict: z.enum(["alive", "suspect", "silent"]),
    /** Milliseconds since the last beat through any NATS node. */
    silentMs: z.number().nonnegative(),
    evidence: z.array(evidence),
  }),
});
export type DetectorReport = z.infer<typeof detectorReport.event>;
