/** Typed requests and events over a raw NATS connection, in the form that Nest's transport speaks. */
import {
  NoRespondersError,
  RequestError,
  TimeoutError,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import { decodeReply, encodeRequest, subjectOf, type EventContract, type RequestContract } from "@understudy/contracts";
import type { z } from "zod";
import { fromWire, InvariantError, OperationalError } from "../errors.ts";

/** Nobody subscribes to the subject: NATS answered 503 at once. A hint that the answerer is gone, not a proof. */
export class NoRespondersHint extends OperationalError {
  constructor(subject: string) {
    super("unavailable", `Nobody answers ${subject}.`);
  }
}

/** Whoever answered does not lead any more. Its successor may have got the request too, and carry it out. */
export class LeaderChangedError extends OperationalError {
  constructor(subject: string, cause: unknown) {
    super("unavailable", `The leadership changed while ${subject} was asked. Ask again.`, { cause });
  }
}

/** No answer in time. The request may have been carried out. */
export class NoAnswerError extends OperationalError {
  constructor(subject: string, timeoutMs: number, cause?: unknown) {
    super("timeout", `No answer from ${subject} within ${timeoutMs} ms.`, { cause });
  }
}

export interface CallOptions {
  /** The instance addressed, for subjects with `{id}`. */
  readonly id?: string;
  readonly timeoutMs?: number;
}

let lastRequest = 0;

/**
 * Sends a request and returns the checked reply.
 * @throws NoRespondersHint at once when nobody subscribes; NoAnswerError after `timeoutMs` (2,000);
 *   LeaderChangedError from a leader that is none any more;
 *   the answerer's own error (CallerError or OperationalError) otherwise.
 */
export async function call<Request extends z.ZodType, Reply extends z.ZodType>(
  connection: NatsConnection,
  contract: RequestContract<Request, Reply>,
  payload: z.input<Request>,
  options: CallOptions = {},
): Promise<z.infer<Reply>> {
  const subject = subjectOf(contract, options.id);
  const timeoutMs = options.timeoutMs ?? 2_000;
  lastRequest = (lastRequest + 1) % Number.MAX_SAFE_INTEGER;
  let text: string;
  try {
    const message = await connection.request(subject, encodeRequest(subject, String(lastRequest), payload), {
      timeout: timeoutMs,
    });
    text = message.string();
  } catch (error) {
    if (error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders()))
      throw new NoRespondersHint(subject);
    if (error instanceof TimeoutError) throw new NoAnswerError(subject, timeoutMs, error);
    throw new OperationalError(
      "unavailable",
      `The request to ${subject} could not be sent: ${(error as Error).message}`,
      { cause: error },
    );
  }
  const reply = decodeReply(text);
  if (reply.kind === "error") {
    const error = fromWire(reply.error);
    throw reply.error.code === "not-leader" ? new LeaderChangedError(subject, error) : error;
  }
  const checked = contract.reply.safeParse(reply.value);
  if (!checked.success)
    throw new InvariantError(`${subject} answered in a form that its contract does not know.`, {
      cause: checked.error,
    });
  return checked.data;
}

export function publish<Event extends z.ZodType>(
  connection: NatsConnection,
  contract: EventContract<Event>,
  payload: z.input<Event>,
  id?: string,
): void {
  if (!connection.isClosed()) connection.publish(subjectOf(contract, id), JSON.stringify(payload));
}

/** Subscribes to an event; a message that its schema refuses goes to `onMalformed`. `id` may be `*`. */
export function listen<Event extends z.ZodType>(
  connection: NatsConnection,
  contract: EventContract<Event>,
  onEvent: (event: z.infer<Event>) => void,
  options: { readonly id?: string; readonly onMalformed?: (error: unknown) => void } = {},
): Subscription {
  return connection.subscribe(subjectOf(contract, options.id), {
    callback: (error, message) => {
      if (error) return;
      try {
        onEvent(contract.event.parse(message.json()));
      } catch (cause) {
        if (options.onMalformed) options.onMalformed(cause);
        else throw cause;
      }
    },
  });
}
