export { BeatBoard, type HeardBeat } from "./beat-board.ts";
export { HeartbeatModule, type HeartbeatOptions } from "./heartbeat.module.ts";
export { Heartbeats } from "./heartbeats.ts";
