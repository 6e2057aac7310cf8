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
  databaseSettings,
  LOG,
  NatsConnections,
  NatsWakeUp,
  NestLog,
  ownerSettings,
  pause,
  PoolWire,
  SettingsWatch,
  Shutdown,
  type ApplicationContext,
  type DatabaseSettings,
  type Log,
} from "@understudy/runtime";
import type { AppServerConfiguration } from "../app-server.config.ts";
import { BackgroundWork } from "../work/background-work.ts";
import { WorkMetrics } from "../work/work-metrics.ts";
import { ProblemFilter } from "./problem.filter.ts";

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

const bodyLimitBytes = 1_048_576;
const closeMs = 3_000;

interface Generation {
  readonly incarnation: string;
  readonly context: ApplicationContext;
  /** For preparations alone. */
  readonly ownerDatabase: DatabaseSettings;
  readonly work: BackgroundWork;
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
  readonly #metrics = new WorkMetrics(async () => (await this.work?.queue.queues.figures()) ?? []);

  constructor(
    @Inject(CONFIGURATION) private readonly configuration: AppServerConfiguration,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Undefined while no generation stands. */
  get handler(): RequestHandler | undefined {
    return this.#generation?.built?.handler;
  }

  /** Background work of the generation that stands. */
  get work(): BackgroundWork | undefined {
    return this.#generation?.built === undefined ? undefined : this.#generation.work;
  }

  /**
   * Prepares and builds the applications for the present incarnation; once for each, however often it is called.
   * False when it was closed before.
   */
  open(): Promise<boolean> {
    const { incarnation } = this.identity;
    if (this.#generation?.incarnation === incarnation) return this.#generation.opened;
    const abort = new AbortController();
    const identity = this.identity.pinned(); // G1
    const database = { ...databaseSettings(this.configuration), wire: this.#openWire() };
    const { log, settings } = this;
    const work = new BackgroundWork(
      { identity, database, settings, wakeUp: new NatsWakeUp(this.nats), metrics: this.#metrics, log },
      this.configuration.UNDERSTUDY_APPLICATIONS,
      this.configuration,
    );
    const context: ApplicationContext = {
      identity,
      log,
      // What serves does not know the owner's login.
      database: { ...database, owner: undefined },
      configuration: this.configuration,
      queue: work.queue,
      workPool: work.pool,
    };
    const previous = this.close();
    const generation: Generation = {
      incarnation,
      context,
      ownerDatabase: { ...ownerSettings(database), connections: 1 },
      work,
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
    const closed = Promise.all([generation.work.close(), generation.built?.app.close()]).catch((error: unknown) => {
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
    let said = "";
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#build(generation);
        return !signal.aborted;
      } catch (error) {
        if (signal.aborted) break;
        const reason = error instanceof Error ? error.message : String(error);
        // Said once for each reason; how long was waited makes no other one.
        const words = reason.replaceAll(/\d+/g, "");
        this.log[words === said ? "debug" : "warn"](
          { attempt, reason, err: error },
          "the applications cannot be prepared yet", // G2
        );
        said = words;
        await pause(backoff.nextMs(), signal);
      }
    }
    return false;
  }

  async #build(generation: Generation): Promise<void> {
    const applications = this.configuration.UNDERSTUDY_APPLICATIONS;
    await generation.work.prepareQueues();
    for (const application of applications) {
      await application.prepare({ ...generation.context, database: generation.ownerDatabase });
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
      await generation.work.prepare(applications.flatMap((one) => one.work?.(generation.context) ?? []));
      if (generation.abort.signal.aborted) return await app.close();
      generation.built = { app, handler: (request, response) => fastify.routing(request, response) };
    } catch (error) {
      await app.close().catch(() => undefined);
      throw error;
    }
  }
}
