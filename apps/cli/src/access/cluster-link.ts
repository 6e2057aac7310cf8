/**
 * Requests to the message server over one NATS connection that is opened when first needed.
 *
 * The connection goes to one node at a time, in the order given. A node that knows no message server, or from which no
 * answer comes, may stand on the wrong side of a cut: after `doubtMs` of that the next node is asked.
 *
 * During a takeover nobody answers for a moment. Whatever may be repeated is repeated for `patienceMs`; a 503 may
 * always, because nobody received the request.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { RequestContract } from "@understudy/contracts";
import { CallerError, OperationalError, UnderstudyError } from "@understudy/runtime/errors";
import { call, NoAnswerError, NoRespondersHint } from "@understudy/runtime/messages";
import { loginOptions, refusalOf, type NatsLogin } from "@understudy/runtime/nats-login";
import { pause } from "@understudy/runtime/wait";
import type { z } from "zod";

export interface NatsAddress extends NatsLogin {
  /** `nats://host:port`, the best one first. */
  readonly servers: readonly string[];
}

export interface AskOptions {
  /** How long to repeat while nobody answers. */
  readonly patienceMs?: number;
  /** How long one answer may take. */
  readonly answerMs?: number;
  /** Called once, when the first attempt failed, with the reason. */
  readonly onWait?: (reason: string) => void;
}

export const patienceMs = 5_000;
const doubtMs = 1_000;
const betweenAttemptsMs = 100;
const connectMs = 1_000;

export class ClusterLink {
  #connection: NatsConnection | undefined;
  #connecting: Promise<NatsConnection> | undefined;
  #first = 0;
  #doubtedSince: number | undefined;

  constructor(
    readonly address: NatsAddress,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws CallerError for a wrong user or password; OperationalError when no node can be reached. */
  async connection(): Promise<NatsConnection> {
    if (this.#connection !== undefined && !this.#connection.isClosed()) return this.#connection;
    // Two requests at once share one connection.
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #connect(): Promise<NatsConnection> {
    const { servers } = this.address;
    try {
      this.#connection = await connect({
        servers: [...servers.slice(this.#first), ...servers.slice(0, this.#first)],
        name: "understudy-cli",
        noRandomize: true,
        ignoreClusterUpdates: true,
        timeout: connectMs,
        pingInterval: 1_000,
        maxPingOut: 2,
        reconnectTimeWait: 100,
        maxReconnectAttempts: -1,
        ...loginOptions(this.address),
      });
      return this.#connection;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) throw new CallerError("refused", `${this.#introduction} ${refusal}`, { cause: error });
      throw new OperationalError(
        "unavailable",
        `No NATS node can be reached (tried ${servers.join(", ")}): ${(error as Error).message}.`,
        { cause: error },
      );
    }
  }

  get #introduction(): string {
    const { seed, user } = this.address;
    if (seed !== undefined) return "NATS does not accept this seed.";
    return user === undefined
      ? "NATS asks who is there (--nats-seed-file, or --nats-user and --nats-password-file)."
      : `NATS does not accept the user "${user}" with this password.`;
  }

  /**
   * Asks whoever answers the subject: mostly the message server.
   * @throws its own errors; OperationalError when nobody answered within `patienceMs`.
   */
  async ask<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    payload: z.input<Request>,
    options: AskOptions = {},
  ): Promise<z.infer<Reply>> {
    const until = performance.now() + (options.patienceMs ?? patienceMs);
    for (let attempt = 1; ; attempt++) {
      const startedAt = performance.now();
      try {
        const reply = await call(await this.connection(), contract, payload, { timeoutMs: options.answerMs ?? 2_000 });
        this.#doubtedSince = undefined;
        return reply;
      } catch (error) {
        const isNobody = error instanceof NoRespondersHint;
        if (isNobody || error instanceof NoAnswerError) await this.#doubt(startedAt);
        if (!mayRepeat(error, contract) || performance.now() >= until || this.signal.aborted) {
          if (!isNobody) throw error;
          throw new OperationalError("unavailable", `${nobodyAnswers(contract)} (understudy doctor tells more.)`, {
            cause: error,
          });
        }
        if (attempt === 1) options.onWait?.(isNobody ? nobodyAnswers(contract) : error.message);
        await pause(betweenAttemptsMs, this.signal);
      }
    }
  }

  async #doubt(since: number): Promise<void> {
    this.#doubtedSince ??= since;
    if (performance.now() - this.#doubtedSince < doubtMs || this.address.servers.length < 2) return;
    this.#doubtedSince = undefined;
    this.#first = (this.#first + 1) % this.address.servers.length;
    await this.close();
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}

/** `understudy.db-pool.status` is answered by a db-pool. */
const nobodyAnswers = ({ subject }: RequestContract): string =>
  `No ${(subject.split(".")[1] ?? subject).replace("message-server", "message server").replace("work-queue", "app server")} answers.`;

function mayRepeat(error: unknown, contract: RequestContract): error is UnderstudyError {
  if (error instanceof NoRespondersHint) return true;
  return contract.repeatable && error instanceof UnderstudyError && error.retryable;
}
