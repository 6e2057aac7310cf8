/** Everything that one version writes and another one may read: messages, and what stands in NATS for the next reader. */
import type { z } from "zod";
import * as contracts from "../index.ts";

/** Forms by part: `request` and `reply`, `event`, or `stored`. */
export interface WireForms {
  readonly subject?: string;
  readonly parts: Readonly<Record<string, z.ZodType>>;
}

type Contract = contracts.RequestContract | contracts.EventContract;

const isContract = (value: unknown): value is Contract =>
  typeof value === "object" && value !== null && "subject" in value && "sentBy" in value;

/** In KV buckets and streams, or between a supervisor and its children of an older build. */
const stored: Readonly<Record<string, z.ZodType>> = {
  childMessage: contracts.childMessage,
  clusterRoles: contracts.clusterRoles,
  controlReply: contracts.controlReply,
  controlRequest: contracts.controlRequest,
  databaseHistoryEntry: contracts.databaseHistoryEntry,
  databaseLease: contracts.databaseLease,
  historyEntry: contracts.historyEntry,
  runFile: contracts.runFile,
  supervisorMessage: contracts.supervisorMessage,
  versionedSettings: contracts.versionedSettings,
};

/** By the name under which `contracts` exports them. */
export const wireForms: ReadonlyMap<string, WireForms> = new Map<string, WireForms>([
  ...Object.entries(contracts as Readonly<Record<string, unknown>>).flatMap(
    ([name, contract]): [string, WireForms][] => {
      if (!isContract(contract)) return [];
      const parts: Record<string, z.ZodType> =
        "event" in contract ? { event: contract.event } : { request: contract.request, reply: contract.reply };
      return [[name, { subject: contract.subject, parts }]];
    },
  ),
  ...Object.entries(stored).map(([name, form]): [string, WireForms] => [name, { parts: { stored: form } }]),
]);
