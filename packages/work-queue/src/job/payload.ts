/** A payload on its way in and out: checked by its schema, one line of JSON, not too large. */
import { InvalidPayloadError, PayloadTooLargeError } from "../queue-errors.ts";
import { faultsOf, type StandardSchema } from "./standard-schema.ts";

/** The checked value. Synchronous schemas are not awaited: enqueuing ten thousand jobs is one turn of the loop. */
export function checkedPayload(type: string, schema: StandardSchema | undefined, payload: unknown): unknown {
  if (schema === undefined) return payload;
  const result = schema["~standard"].validate(payload);
  const settle = (settled: Awaited<typeof result>): unknown => {
    if (settled.issues === undefined) return settled.value;
    throw new InvalidPayloadError(type, faultsOf(settled.issues));
  };
  return result instanceof Promise ? result.then(settle) : settle(result);
}

/** JSON without bare newlines (`JSON.stringify` makes none), so documents can travel one per line. */
export function payloadDocument(type: string, payload: unknown, maxBytes: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload === undefined ? null : payload);
  } catch (error) {
    throw new InvalidPayloadError(type, [error instanceof Error ? error.message : String(error)], error);
  }
  if (text === undefined) throw new InvalidPayloadError(type, ["JSON has no such value"]);
  // A character takes at most three bytes.
  if (text.length * 3 > maxBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxBytes) throw new PayloadTooLargeError(type, bytes, maxBytes);
  }
  return text;
}
