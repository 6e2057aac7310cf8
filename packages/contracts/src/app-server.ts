/** Commands of the message server to one app server. Each carries the term; older ones are refused (L2). */
import { z } from "zod";
import { versionedSettings } from "./cluster-configuration.ts";
import { defineRequest } from "./contract.ts";
import { instanceRef, leaderTerm } from "./identity.ts";

const command = { leader: leaderTerm, instance: instanceRef };
const accepted = z.object({
  /** The highest term the receiver knows now. */
  term: z.int(),
  /** Wall clock at which it was accepted. */
  acceptedAt: z.number(),
});

/** A new leader introduces itself; the app server follows it without a restart (L7). */
export const follow = defineRequest({
  subject: "understudy.app-server.{id}.follow",
  sentBy: "message-server (leader)",
  answeredBy: "instance",
  repeatable: true,
  request: z.object({ ...command, settings: versionedSettings.optional() }),
  reply: accepted,
});

export const setIntake = defineRequest({
  subject: "understudy.app-server.{id}.intake",
  sentBy: "message-server (leader)",
  answeredBy: "instance",
  repeatable: true,
  request: z.object({ ...command, intake: z.enum(["accepting", "draining"]) }),
  reply: accepted,
});

/** The verdict, if the server still hears it: drop what moved, take a new incarnation, register again. */
export const declaredLost = defineRequest({
  subject: "understudy.app-server.{id}.declared-lost",
  sentBy: "message-server (leader)",
  answeredBy: "instance",
  repeatable: true,
  request: z.object({ ...command, reason: z.string() }),
  reply: accepted,
});
