/** All that may die while orders go on. Machine A has the only database for now. */
export const standardTargets: readonly string[] = [
  "leader",
  "alternate",
  "app-server-a",
  "app-server-b",
  "app-server-c",
  "load-balancer-b",
  "load-balancer-c",
  "heartbeat-monitor-a",
  "heartbeat-monitor-c",
  "nats-a",
  "nats-b",
  "nats-c",
  "machine-b",
  "machine-c",
];
