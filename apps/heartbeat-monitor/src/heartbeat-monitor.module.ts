import { Module, type DynamicModule } from "@nestjs/common";
import { BeatBoard, Detector, HeartbeatModule } from "@understudy/heartbeat";
import { SettingsWatch, type ServiceContext } from "@understudy/runtime";
import { HeartbeatMonitor } from "./heartbeat-monitor.ts";
import { Metrics } from "./metrics.ts";

/** The composition root. */
@Module({})
export class HeartbeatMonitorModule {
  static forService({ nats, log, identity }: ServiceContext<unknown>): DynamicModule {
    const settings = new SettingsWatch(nats, log);
    const board = new BeatBoard(nats, log);
    const detector = new Detector(nats, board, identity);
    return {
      module: HeartbeatMonitorModule,
      imports: [HeartbeatModule.forService({ settings })],
      providers: [
        { provide: SettingsWatch, useValue: settings },
        { provide: BeatBoard, useValue: board },
        { provide: Detector, useValue: detector },
        HeartbeatMonitor,
        Metrics,
      ],
    };
  }
}
