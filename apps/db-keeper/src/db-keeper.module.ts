import { Module, type DynamicModule } from "@nestjs/common";
import { HeartbeatModule } from "@understudy/heartbeat";
import { ConfigurationError, type ServiceContext } from "@understudy/runtime";
import type { DbKeeperConfiguration } from "./db-keeper.config.ts";
import { ExternalKeeper } from "./external/external-keeper.ts";
import { ManagedKeeper } from "./keeper/managed-keeper.ts";

/** The composition root: a keeper that manages its instance, or one that only looks at it. */
@Module({})
export class DbKeeperModule {
  static forService(context: ServiceContext<DbKeeperConfiguration>): DynamicModule {
    const {
      UNDERSTUDY_MEMBER: member,
      UNDERSTUDY_MEMBERS: members,
      UNDERSTUDY_DATABASE_MODE: mode,
    } = context.configuration;
    if (!(member in members))
      throw new ConfigurationError([
        `UNDERSTUDY_MEMBERS: does not name the own instance ${member} (UNDERSTUDY_MEMBER)`,
      ]);
    return {
      module: DbKeeperModule,
      imports: [HeartbeatModule.forService({})],
      providers: [
        mode === "managed"
          ? { provide: ManagedKeeper, useFactory: () => ManagedKeeper.create(context) }
          : { provide: ExternalKeeper, useFactory: () => new ExternalKeeper(context) },
      ],
    };
  }
}
