import type { DynamicModule } from "@nestjs/common";
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
}

/** A business application as an app server hosts it: the `application` export of a package. */
export interface BusinessApplication {
  readonly name: string;
  /** Its own `UNDERSTUDY_*` variables; they stand checked in `ApplicationContext.configuration`. */
  readonly variables: z.ZodRawShape;
  /** Called on each start before anything is served: migrations, first data. Several servers may run it at once. */
  prepare(context: ApplicationContext): Promise<void>;
  /** Controllers and providers; their paths begin with `api/`. Closes what it opened in Nest's `onModuleDestroy`. */
  module(context: ApplicationContext): DynamicModule;
}
