/**
 * The wire form of requests and replies: the envelope of Nest's NATS transport, so that a raw client and a
 * `@MessagePattern` handler understand each other. Source: @nestjs/microservices 12, ServerNats and ClientNats.
 */
import { z } from "zod";
import { wireError, type WireError } from "./errors.ts";

export interface RequestEnvelope {
  readonly pattern: string;
  readonly id: string;
  readonly data: unknown;
}

export const encodeRequest = (pattern: string, id: string, data: unknown): string =>
  JSON.stringify({ pattern, id, data } satisfies RequestEnvelope);

/** The reply to an encoded request that is not carried out. */
export function encodeRefusal(request: string, error: WireError): string {
  const { id } = z.object({ id: z.string().optional() }).parse(JSON.parse(request));
  return JSON.stringify({ id, err: error, isDisposed: true } satisfies z.infer<typeof replyEnvelope>);
}

const replyEnvelope = z.object({
  id: z.string().optional(),
  response: z.unknown().optional(),
  err: z.unknown().optional(),
  isDisposed: z.boolean().optional(),
});

export type DecodedReply =
  | { readonly kind: "reply"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: WireError };

/** Reads a reply. An error that is not of our form becomes code `internal`, not retryable. */
export function decodeReply(text: string): DecodedReply {
  const envelope = replyEnvelope.parse(JSON.parse(text));
  if (envelope.err === undefined || envelope.err === null) return { kind: "reply", value: envelope.response };
  const known = wireError.safeParse(envelope.err);
  if (known.success) return { kind: "error", error: known.data };
  const message = typeof envelope.err === "string" ? envelope.err : JSON.stringify(envelope.err);
  return { kind: "error", error: { code: "internal", message, retryable: false } };
}
