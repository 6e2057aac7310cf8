/**
 * The HTTP listener that balancers reach. It opens before the app server is accepted and stays, whatever happens to
 * the applications behind it, until the process ends: so nobody ever meets a closed port of a living app server.
 *
 * Each request is judged by the standing at its arrival: taken (given to the hosted applications), held (the process
 * was paused and asks whether it may go on) or refused as not taken, which tells the sender that it may go elsewhere.
 * - U1. `understudy-not-taken` (contracts/routing.ts) is said only of requests that no application has seen.
 * - U2. When the incarnation is lost, what runs is answered `understudy-interrupted` at once: its database sessions were
 *   ended by the verdict, and its outcome is for whoever repeats it to find out.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Inject, Injectable } from "@nestjs/common";
import { CONFIGURATION, Identity } from "@understudy/runtime";
import { advertisedUrl, type AppServerConfiguration } from "../app-server.config.ts";
import { ServerStanding } from "../standing/server-standing.ts";
import { describe, type Standing } from "../standing/standing.ts";
import { HostedApplications } from "./hosted-applications.ts";
import { answerInterrupted, answerNotTaken } from "./problem.ts";
import { RequestsInWork, type WorkedRequest } from "./requests-in-work.ts";

/** After a pause: as long as a question to the message server may take, a reconnection included; then elsewhere. */
const holdMs = 1_000;
const holdAtMost = 1_000;
/** Longer than balancers keep idle connections, so that it is they who close them. */
const keepAliveMs = 75_000;
const headersMs = 10_000;
const requestMs = 120_000;

@Injectable()
export class UserListener {
  readonly #server: Server;
  #url: string | undefined;

  constructor(
    @Inject(CONFIGURATION) private readonly configuration: AppServerConfiguration,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(HostedApplications) private readonly hosted: HostedApplications,
    @Inject(RequestsInWork) private readonly requests: RequestsInWork,
  ) {
    this.#server = createServer(
      { keepAliveTimeout: keepAliveMs, headersTimeout: headersMs, requestTimeout: requestMs },
      (request, response) => this.#arrive(request, response),
    );
    standing.onChange((now) => this.#reconsider(now));
  }

  /** Where balancers reach it. */
  get url(): string {
    if (this.#url === undefined) throw new Error("The listener for users is not open.");
    return this.#url;
  }

  async open(): Promise<void> {
    this.#server.listen(this.configuration.UNDERSTUDY_HTTP_PORT, this.configuration.UNDERSTUDY_HTTP_HOST);
    await once(this.#server, "listening");
    this.#url = advertisedUrl(this.configuration, (this.#server.address() as AddressInfo).port);
  }

  /** Last answers may still leave. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), 500);
    await closed;
    clearTimeout(timer);
  }

  #arrive(request: IncomingMessage, response: ServerResponse): void {
    const admission = this.standing.admission();
    const isFull = admission === "hold" && this.requests.count >= holdAtMost;
    const worked: WorkedRequest = { request, response, state: "held" };
    this.requests.add(worked);
    if (admission === "refuse" || isFull) this.#refuse(worked);
    else if (admission === "take") this.#run(worked);
    else this.#hold(worked);
  }

  #run(worked: WorkedRequest): void {
    const { handler } = this.hosted;
    if (handler === undefined) return this.#refuse(worked);
    worked.state = "running";
    this.requests.countOutcome("taken");
    if (this.#isLeaving()) worked.response.shouldKeepAlive = false;
    handler(worked.request, worked.response);
  }

  #hold(worked: WorkedRequest): void {
    const timer = setTimeout(() => {
      if (worked.state === "held") this.#refuse(worked);
    }, holdMs);
    worked.response.once("close", () => clearTimeout(timer));
  }

  /** U1: only from `held`. */
  #refuse(worked: WorkedRequest): void {
    const { response } = worked;
    worked.state = "answered";
    this.requests.countOutcome("not-taken");
    if (this.#isLeaving()) response.shouldKeepAlive = false;
    answerNotTaken(response, `${this.identity.id} does not take requests: ${describe(this.standing.current)}.`);
  }

  #reconsider(now: Standing): void {
    const admission = this.standing.admission();
    for (const worked of this.requests.all) {
      if (worked.state === "held" && admission === "take") this.#run(worked);
      else if (worked.state === "held" && admission === "refuse") this.#refuse(worked);
      else if (worked.state === "running" && now.kind === "dropped") this.#interrupt(worked); // U2
    }
  }

  #interrupt(worked: WorkedRequest): void {
    const { response } = worked;
    if (response.writableEnded) return;
    worked.state = "answered";
    this.requests.countOutcome("interrupted");
    if (response.headersSent) response.destroy();
    else answerInterrupted(response, `${this.identity.id} was declared lost while it worked on the request.`);
  }

  /** Connections to a process that stops are not to be used again. */
  #isLeaving(): boolean {
    const { current } = this.standing;
    return current.kind === "ending" || (current.kind === "draining" && current.by === "stop");
  }
}
