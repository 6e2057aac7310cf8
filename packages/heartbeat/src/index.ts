export { BeatBoard, type HeardBeat } from "./beat-board.ts";
export { HeartbeatModule, type HeartbeatOptions } from "./heartbeat.module.ts";
export { Heartbeats } from "./heartbeats.ts";
export { Detection, type DetectionSettings, type Fact, type Finding, type Verdict } from "./detection.ts";
export { Detector } from "./detector.ts";
