import { databaseVariables, serviceVariables } from "@understudy/runtime";
import { z } from "zod";

/** The message server's own variables, beside those that every service knows. */
export const messageServerVariables = {
  ...databaseVariables,
  /** Name of the NATS node on this machine: the lease stream's Raft leader is kept off it (L6). */
  UNDERSTUDY_NATS_NODE: z.string().optional(),
} as const;

export type MessageServerConfiguration = Readonly<
  z.infer<z.ZodObject<typeof serviceVariables & typeof messageServerVariables>>
>;
