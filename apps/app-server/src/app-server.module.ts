import { Module, type DynamicModule } from "@nestjs/common";
import { HeartbeatModule } from "@understudy/heartbeat";
import { SettingsWatch, type ServiceContext } from "@understudy/runtime";
import type { AppServerConfiguration } from "./app-server.config.ts";
import { AppServer, END } from "./app-server.ts";
import { HostedApplications } from "./hosting/hosted-applications.ts";
import { RequestsInWork } from "./hosting/requests-in-work.ts";
import { UserListener } from "./hosting/user-listener.ts";
import { CommandsController } from "./standing/commands.controller.ts";
import { Departure } from "./standing/departure.ts";
import { FollowedLeader } from "./standing/followed-leader.ts";
import { LeaderContact } from "./standing/leader-contact.ts";
import { Registrar } from "./standing/registrar.ts";
import { ServerStanding } from "./standing/server-standing.ts";
import { WorkController } from "./work/work.controller.ts";

/** The composition root. */
@Module({})
export class AppServerModule {
  static forService(context: ServiceContext<AppServerConfiguration>): DynamicModule {
    const requests = new RequestsInWork();
    const settings = new SettingsWatch(context.nats, context.log);
    return {
      module: AppServerModule,
      imports: [HeartbeatModule.forService({ load: () => requests.count, settings })],
      controllers: [CommandsController, WorkController],
      providers: [
        { provide: RequestsInWork, useValue: requests },
        { provide: SettingsWatch, useValue: settings },
        { provide: END, useValue: context.stop },
        AppServer,
        Departure,
        FollowedLeader,
        HostedApplications,
        LeaderContact,
        Registrar,
        ServerStanding,
        UserListener,
      ],
    };
  }
}
