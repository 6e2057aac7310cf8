/** The way every service starts: configuration, identity, log, NATS, Nest, ops port, signals. */
import "reflect-metadata";
import { Module, type DynamicModule, type INestApplication } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { inboxOf, type ChildMessage, type ServiceKind } from "@understudy/contracts";
import { collectDefaultMetrics } from "prom-client";
import type { z } from "zod";
import { ConfigurationError, exitCodeForConfiguration, readConfiguration, serviceVariables } from "./configuration.ts";
import { Identity } from "./identity.ts";
import { createLog, LOG, NestLog, type Log } from "./log.ts";
import { NatsConnections } from "./nats/connections.ts";
import { InstanceServer } from "./nats/instance-server.ts";
import { OpsController } from "./ops/ops.controller.ts";
import { Readiness } from "./ops/readiness.ts";
import { Shutdown } from "./shutdown.ts";

/** Injection token of the service's checked configuration. */
export const CONFIGURATION = Symbol("CONFIGURATION");

/** The parts that exist before Nest builds the service; all of them can be injected (`LOG`, `CONFIGURATION`, classes). */
export interface ServiceContext<Configuration> {
  readonly configuration: Configuration;
  readonly identity: Identity;
  readonly log: Log;
  readonly nats: NatsConnections;
  readonly shutdown: Shutdown;
  readonly readiness: Readiness;
  readonly server: InstanceServer;
  /** Ends the process as SIGTERM would, through all phases of `shutdown`, with another exit code. */
  readonly stop: (reason: string, exitCode: number) => void;
}

type CommonConfiguration = Readonly<z.infer<z.ZodObject<typeof serviceVariables>>>;

export interface ServiceDefinition<Shape extends z.ZodRawShape> {
  readonly kind: ServiceKind;
  /** The service's own variables, beside `serviceVariables`. */
  readonly variables: Shape;
  /** It serves on while its connection to NATS is away or moves to another node, so that does not make it unready. */
  readonly servesWithoutNats?: boolean;
  /** The composition root. */
  readonly module: (
    context: ServiceContext<CommonConfiguration & Readonly<z.infer<z.ZodObject<Shape>>>>,
  ) => DynamicModule;
  /** Called when everything stands and answers. */
  readonly onStarted?: (app: INestApplication) => Promise<void> | void;
}

@Module({})
class RuntimeModule {}
@Module({})
class ServiceModule {}

function runtimeModule(context: ServiceContext<unknown>): DynamicModule {
  const providers = [
    { provide: CONFIGURATION, useValue: context.configuration },
    { provide: Identity, useValue: context.identity },
    { provide: LOG, useValue: context.log },
    { provide: NatsConnections, useValue: context.nats },
    { provide: Shutdown, useValue: context.shutdown },
    { provide: Readiness, useValue: context.readiness },
    { provide: InstanceServer, useValue: context.server },
  ];
  return {
    module: RuntimeModule,
    global: true,
    providers,
    exports: providers.map(({ provide }) => provide),
    controllers: [OpsController],
  };
}

/** Ends the process when whoever started it is gone, so that a killed start leaves nothing behind. */
function followParent(stop: (reason: string) => void): void {
  if (process.channel === undefined || process.channel === null) return;
  process.on("disconnect", () => stop("the supervisor is gone"));
  process.channel.unref();
}

/** Says something to the supervisor, where one is connected by Node's IPC. */
export function tellSupervisor(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

/**
 * Runs a service until it is stopped. Never returns normally before that.
 * Exits with 78 on faults of the configuration, with 1 when the start fails or the stop hangs.
 */
export async function runService<Shape extends z.ZodRawShape>(definition: ServiceDefinition<Shape>): Promise<void> {
  let configuration: CommonConfiguration & Readonly<z.infer<z.ZodObject<Shape>>>;
  try {
    configuration = readConfiguration({ ...serviceVariables, ...definition.variables }) as typeof configuration;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`${definition.kind}: ${error.message}\n`);
    process.exit(exitCodeForConfiguration);
  }
  const identity = new Identity({
    kind: definition.kind,
    id: configuration.UNDERSTUDY_ID,
    cluster: configuration.UNDERSTUDY_CLUSTER,
    site: configuration.UNDERSTUDY_SITE,
    machine: configuration.UNDERSTUDY_MACHINE,
  });
  const log = createLog(configuration.UNDERSTUDY_LOG_LEVEL, configuration.UNDERSTUDY_LOG_FORMAT, {
    service: identity.kind,
    id: identity.id,
    machine: identity.machine,
  });
  const shutdown = new Shutdown(log);
  let app: INestApplication | undefined;
  let stopping = false;
  const stop = (reason: string, exitCode = 0) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, "stopping");
    setTimeout(() => {
      log.error("the stop did not end in time; ending by force");
      process.exit(1);
    }, configuration.UNDERSTUDY_STOP_TIMEOUT_MS).unref();
    void (async () => {
      await shutdown.run();
      await app?.close();
      log.info("stopped");
      log.flush();
      process.exit(exitCode);
    })();
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  followParent(stop);
  // A lost connection may surface as an unhandled rejection of a library; it must be seen and must not kill.
  process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "uncaught exception");
    process.exit(1);
  });

  log.info({ incarnation: identity.incarnation }, "starting");
  identity.onChange((incarnation) => tellSupervisor({ type: "incarnation", incarnation }));
  tellSupervisor({ type: "incarnation", incarnation: identity.incarnation });
  const nats = await NatsConnections.open(
    {
      servers: configuration.UNDERSTUDY_NATS_SERVERS,
      seed: configuration.UNDERSTUDY_NATS_SEED_FILE,
      inboxPrefix: inboxOf(definition.kind),
      authority: configuration.UNDERSTUDY_NATS_CA_FILE,
      user: configuration.UNDERSTUDY_NATS_USER,
      password: configuration.UNDERSTUDY_NATS_PASSWORD_FILE,
      name: identity.id,
    },
    log,
    shutdown.signal,
  );
  if (nats === undefined) return;
  shutdown.on("close-nats", "nats", () => nats.close());
  collectDefaultMetrics({
    labels: { id: identity.id, machine: identity.machine },
    // The default (10 ms) wakes an idle process 100 times a second.
    eventLoopMonitoringPrecision: 50,
  });
  const readiness = new Readiness();
  if (definition.servesWithoutNats !== true) {
    readiness.set("nats", nats.connected);
    nats.onConnected((connected) => readiness.set("nats", connected, connected ? "" : "no connection to NATS"));
  }
  shutdown.on("stop-intake", "readiness", () => readiness.set("running", false, "stopping"));
  const server = new InstanceServer(nats.main, identity.id);
  const context = { configuration, identity, log, nats, shutdown, readiness, server, stop };
  try {
    app = await NestFactory.create(
      { module: ServiceModule, imports: [runtimeModule(context), definition.module(context)] },
      new FastifyAdapter(),
      { logger: new NestLog(log), abortOnError: false },
    );
    app.connectMicroservice({ strategy: server });
    await app.startAllMicroservices();
    await app.listen(configuration.UNDERSTUDY_OPS_PORT, configuration.UNDERSTUDY_OPS_HOST);
    nats.openLifelines();
    await definition.onStarted?.(app);
    readiness.set("running", true);
    const opsUrl = await app.getUrl();
    tellSupervisor({ type: "started", opsUrl });
    log.info({ opsUrl }, "started");
  } catch (error) {
    log.fatal({ err: error }, "the start failed");
    stop("the start failed", 1);
  }
}
