import type { RequestContract } from "@understudy/contracts";
import type { NatsConnection } from "@nats-io/transport-node";
import { MessagePattern, RpcException, ServerNats } from "@nestjs/microservices";
import { type z } from "zod";
import { CallerError, toWire, UnderstudyError } from "../errors.ts";
import {
  applyDecorators,
  Catch,
  Inject,
  UseFilters,
  type ArgumentsHost,
  type RpcExceptionFilter,
} from "@nestjs/common";
import { throwError, type Observable } from "rxjs";
import { LOG, type Log } from "../log.ts";
import { LeaderSubjects, type SubjectHandler } from "./leader-subjects.ts";

/** Handles a request of `contracts` in a Nest controller. */
export const HandlesRequest = (contract: RequestContract): MethodDecorator =>
  applyDecorators(
    MessagePattern(contract.subject, { answeredBy: contract.answeredBy, repeatable: contract.repeatable }),
    UseFilters(WireErrorFilter),
  );

/**
 * Nest's NATS transport on the process's one connection, with two additions: `{id}` in a subject is this
 * instance's id, and what only a leader answers is subscribed only while it leads, so that callers get NATS's 503 at
 * once when there is no leader (L4).
 */
export class InstanceServer extends ServerNats {
  #leaderSubjects: LeaderSubjects | undefined;
  #client: NatsConnection | undefined;
  #leads = false;

  constructor(
    private readonly connection: NatsConnection,
    private readonly id: string,
  ) {
    super({});
  }

  override createNatsClient(): Promise<NatsConnection> {
    return Promise.resolve(this.connection);
  }

  // The connection's owner reports its state.
  override handleStatusUpdates(): Promise<void> {
    return Promise.resolve();
  }

  override bindEvents(client: NatsConnection): void {
    this.#client = client;
    this.#subscribe("instance");
    this.#subscribe("any");
    if (this.#leads) this.#answerAsLeader();
  }

  /**
   * Begins or ends to answer what only the leader answers; takes effect at the NATS node with the next flush.
   * `successorAnswers` resolves when somebody else does (see leader-subjects.ts).
   */
  setLeading(leads: boolean, successorAnswers: Promise<unknown> = Promise.resolve()): void {
    if (this.#leads === leads) return;
    this.#leads = leads;
    if (leads) this.#answerAsLeader();
    else void this.#leaderSubjects?.leave(successorAnswers);
  }

  #answerAsLeader(): void {
    this.#leaderSubjects?.end();
    if (this.#client !== undefined) {
      this.#leaderSubjects = new LeaderSubjects(this.#client, this.id, this.#handlers("leader"));
    }
  }

  #handlers(answeredBy: RequestContract["answeredBy"]): (SubjectHandler & { readonly pattern: string })[] {
    return [...this.messageHandlers]
      .filter(([, { extras }]) => (extras?.["answeredBy"] ?? "instance") === answeredBy)
      .map(([pattern, { extras }]) => ({
        pattern,
        isRepeatable: extras?.["repeatable"] === true,
        subject: pattern.replace("{id}", this.id),
        handle: this.getMessageHandler(pattern).bind(this) as never,
      }));
  }

  #subscribe(answeredBy: "instance" | "any"): void {
    for (const { subject, handle, pattern } of this.#handlers(answeredBy)) {
      // Of all that subscribe with the same queue NATS chooses one for each request.
      this.#client?.subscribe(subject, { ...(answeredBy === "any" && { queue: pattern }), callback: handle });
    }
  }

  /** The connection belongs to the process and is closed last; here only the subscriptions end. */
  override async close(): Promise<void> {
    this.#leaderSubjects?.end();
    await Promise.resolve();
  }
}

/** Every error leaves a handler as `{ code, message, retryable }`. */
@Catch()
export class WireErrorFilter implements RpcExceptionFilter {
  constructor(@Inject(LOG) private readonly log: Log) {}
  catch(error: unknown, _host: ArgumentsHost): Observable<never> {
    if (!(error instanceof UnderstudyError)) this.log.error({ err: error }, "a handler failed");
    return throwError(() => (error instanceof RpcException ? error.getError() : toWire(error)));
  }
}

/** The checked payload of a request. @throws CallerError `invalid-request` naming every fault. */
export function parseRequest<Request extends z.ZodType>(
  contract: { readonly subject: string; readonly request: Request },
  data: unknown,
): z.infer<Request> {
  const result = contract.request.safeParse(data);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "request"}: ${issue.message}`);
  throw new CallerError("invalid-request", `The request to ${contract.subject} is invalid: ${faults.join("; ")}`, {
    faults,
  });
}
