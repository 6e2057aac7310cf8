/**
 * The business applications of this app server: one Nest application for all, apart from the one that answers
 * probes and commands, and built anew for each incarnation.
 *
 * - G1. A generation belongs to one incarnation and carries its pinned identity: whatever of it outlives a verdict
 *   can only present the lost incarnation to the database, and is refused there.
 * - G2. Preparing goes on until it succeeds or the generation is closed: a database that is away is waited for.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Inject, Injectable, Module, type DynamicModule } from "@nestjs/common";
import { APP_FILTER, NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import {
  Backoff,
  CONFIGURATION,
  Identity,
  databaseAddress,
  LOG,
  NatsConnections,
  NestLog,
  pause,
  PoolWire,
  Shutdown,
  type ApplicationContext,
  type Log,
} from "@understudy/runtime";
import type { AppServerConfiguration } from "../app-server.config.ts";
import { ProblemFilter } from "./problem.filter.ts";

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

const bodyLimitBytes = 1_048_576;
const closeMs = 3_000;

interface Generation {
  readonly incarnation: string;
  readonly context: ApplicationContext;
  readonly abort: AbortController;
  readonly opened: Promise<boolean>;
  built: { readonly app: NestFastifyApplication; readonly handler: RequestHandler } | undefined;
}

@Module({})
class HostedModule {}

@Injectable()
export class HostedApplications {
  #generation: Generation | undefined;
  #wire: PoolWire | undefined;

  constructor(
    @Inject(CONFIGURATION) private readonly configuration: AppServerConfiguration,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Undefined while no generation stands. */
  get handler(): RequestHandler | undefined {
    return this.#generation?.built?.handler;
  }

  /**
   * Prepares and builds the applications for the present incarnation; once for each, however often it is called.
   * False when it was closed before.
   */
  open(): Promise<boolean> {
    const { incarnation } = this.identity;
    if (this.#generation?.incarnation === incarnation) return this.#generation.opened;
    const abort = new AbortController();
    const context: ApplicationContext = {
      identity: this.identity.pinned(), // G1
      log: this.log,
      database: {
        url: this.configuration.UNDERSTUDY_DATABASE_URL,
        password: this.configuration.UNDERSTUDY_DATABASE_PASSWORD_FILE,
        connections: this.configuration.UNDERSTUDY_DATABASE_CONNECTIONS,
        wire: this.#openWire(),
      },
      configuration: this.configuration,
    };
    const previous = this.close();
    const generation: Generation = {
      incarnation,
      context,
      abort,
      built: undefined,
      opened: previous.then(() => this.#openPatiently(generation)),
    };
    this.#generation = generation;
    return generation.opened;
  }

  /** Ends the generation. What does not close in time is left behind: G1 keeps it from doing harm. */
  async close(): Promise<void> {
    const generation = this.#generation;
    this.#generation = undefined;
    if (generation === undefined) return;
    generation.abort.abort();
    const late = new AbortController();
    const closed = generation.built?.app.close().catch((error: unknown) => {
      this.log.warn({ err: error }, "the hosted applications did not close cleanly");
    });
    await Promise.race([closed, pause(closeMs, late.signal)]);
    late.abort();
  }

  /** One for the whole life of the process; pools of all generations are on it. */
  #openWire(): PoolWire {
    if (this.#wire === undefined) {
      const { database } = databaseAddress(this.configuration.UNDERSTUDY_DATABASE_URL);
      const wire = new PoolWire(this.nats, this.identity, database);
      wire.start();
      this.shutdown.on("close-nats", "database news", () => wire.stop());
      this.#wire = wire;
    }
    return this.#wire;
  }

  async #openPatiently(generation: Generation): Promise<boolean> {
    const { signal } = generation.abort;
    const backoff = new Backoff(250, 10_000);
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#build(generation);
        return !signal.aborted;
      } catch (error) {
        if (signal.aborted) break;
        const reason = error instanceof Error ? error.message : String(error);
        this.log.warn({ attempt, reason, err: error }, "the applications cannot be prepared yet"); // G2
        await pause(backoff.nextMs(), signal);
      }
    }
    return false;
  }

  async #build(generation: Generation): Promise<void> {
    const applications = this.configuration.UNDERSTUDY_APPLICATIONS;
    for (const application of applications) {
      await application.prepare(generation.context);
      if (generation.abort.signal.aborted) return;
    }
    const root: DynamicModule = {
      module: HostedModule,
      imports: applications.map((application) => application.module(generation.context)),
      // As a provider of the root it comes last: filters of the applications are asked first.
      providers: [{ provide: APP_FILTER, useValue: new ProblemFilter(this.log) }],
    };
    const app = await NestFactory.create<NestFastifyApplication>(
      root,
      new FastifyAdapter({ bodyLimit: bodyLimitBytes }),
      { logger: new NestLog(this.log), abortOnError: false },
    );
    try {
      await app.init();
      const fastify = app.getHttpAdapter().getInstance();
      await fastify.ready();
      if (generation.abort.signal.aborted) return await app.close();
      generation.built = { app, handler: (request, response) => fastify.routing(request, response) };
    } catch (error) {
      await app.close().catch(() => undefined);
      throw error;
    }
  }
}
