import type { DynamicModule } from "@nestjs/common";
import type { FailoverPool } from "@understudy/failover-pool";
import type { JobDefinition, JobHandler, ServiceHandler, WorkQueue } from "@understudy/work-queue";
import type { z } from "zod";
import type { Identity } from "./identity.ts";
import type { Log } from "./log.ts";
import type { DatabaseSettings } from "./postgres/database.ts";

/** What an app server gives to the applications that it hosts. */
export interface ApplicationContext {
  readonly identity: Identity;
  readonly log: Log;
  readonly database: DatabaseSettings;
  readonly configuration: Readonly<Record<string, unknown>>;
  /** To enqueue, also inside a transaction of the application's. */
  readonly queue: WorkQueue;
  /** For the transactions of jobs and services; the app server's, which ends it. */
  readonly workPool: FailoverPool;
}

/** Jobs and services of an application, which app servers run as the cluster configuration says. */
export interface ApplicationWork {
  readonly handlers: readonly JobHandler[];
  readonly services: readonly ServiceHandler[];
  /** Called on each start, when the queues are there: services and schedules. Several servers may run it at once. */
  define(queue: WorkQueue): Promise<void>;
}

/** A business application as an app server hosts it: the `application` export of a package. */
export interface BusinessApplication {
  readonly name: string;
  /** Its own `UNDERSTUDY_*` variables; they stand checked in `ApplicationContext.configuration`. */
  readonly variables: z.ZodRawShape;
  /**
   * Called on each start before anything is served: migrations, first data. Several servers may run it at once. Here,
   * and only here, `context.database` logs in as the schema's owner, with one connection: close it before the end.
   */
  prepare(context: ApplicationContext): Promise<void>;
  /** Controllers and providers; their paths begin with `api/`. Closes what it opened in Nest's `onModuleDestroy`. */
  module(context: ApplicationContext): DynamicModule;
  /** Types of its jobs, where it has some: what is enqueued by name is checked with them. */
  jobs?(configuration: ApplicationContext["configuration"]): readonly JobDefinition<never, unknown>[];
  /** Background work, where it has some. */
  work?(context: ApplicationContext): ApplicationWork;
}
