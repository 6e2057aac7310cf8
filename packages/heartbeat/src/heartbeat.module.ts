import { Module, type DynamicModule } from "@nestjs/common";
import type { SettingsWatch } from "@understudy/runtime";
import { Heartbeats, LOAD, SETTINGS } from "./heartbeats.ts";

export interface HeartbeatOptions {
  /** Requests and jobs in work now. */
  readonly load?: () => number;
  /** Where given, its `heartbeat.beatMs` is followed; whoever made it starts and stops it. */
  readonly settings?: SettingsWatch;
}

/** Makes a service beat and answer probes from its start to the closing of its NATS connections. */
@Module({})
export class HeartbeatModule {
  static forService(options: HeartbeatOptions = {}): DynamicModule {
    return {
      module: HeartbeatModule,
      global: true,
      providers: [
        Heartbeats,
        { provide: LOAD, useValue: options.load ?? (() => 0) },
        { provide: SETTINGS, useValue: options.settings },
      ],
      exports: [Heartbeats],
    };
  }
}
