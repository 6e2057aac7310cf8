import { JetStreamApiError } from "@nats-io/jetstream";

// nats-server: JSStreamWrongLastSequenceErrF and JSStreamWrongLastSequenceConstantErr.
const wrongLastSequence = new Set([10071, 10164]);

/** True when JetStream refused a compare-and-swap because somebody else had written before: nothing was written. */
export const isRevisionConflict = (error: unknown): boolean =>
  error instanceof JetStreamApiError && wrongLastSequence.has(error.code);
