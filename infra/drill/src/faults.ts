/**
 * What can be done to a cluster, as text: `<action> <target>`. Targets are ids of run.json; `leader` and `alternate` are
 * message servers, `primary` and `standby` PostgreSQL instances, `primary-keeper` and `standby-keeper` their keepers,
 * `primary-machine` where the primary runs.
 */

const actions = ["kill", "terminate", "freeze", "cut", "switchover"] as const;

export interface Fault {
  readonly action: (typeof actions)[number];
  readonly target: string;
}

/** @throws Error that names what is possible. */
export function parseFault(text: string): Fault {
  const [word = "", target = ""] = text.split(" ");
  const action = actions.find((known) => known === word);
  if (action === undefined || target === "") {
    throw new Error(`"${text}" is no fault: write <${actions.join("|")}> <target>, such as "kill leader".`);
  }
  return { action, target };
}

/** All that may die while orders go on. */
export const deaths: readonly string[] = [
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
  "postgres-a",
  "postgres-b",
  "primary",
  "standby",
  "primary-keeper",
  "standby-keeper",
  "db-pool-a",
  "db-pool-c",
  "machine-a",
  "primary-machine",
  "machine-b",
  "machine-c",
].map((target) => `kill ${target}`);

/** What stands still or cannot be reached for some seconds and then finds itself replaced. */
export const standstills: readonly string[] = [
  "freeze leader",
  "freeze app-server-b",
  "freeze load-balancer-b",
  "freeze nats-c",
  "freeze primary",
  "freeze standby",
  "freeze primary-keeper",
  "freeze db-pool-a",
  "cut machine-a",
  "cut machine-b",
  "cut machine-c",
];

/** What an operator does on purpose. */
export const plannedStops: readonly string[] = [
  "switchover leader",
  "switchover db",
  "switchover db",
  "terminate leader",
  "terminate alternate",
  "terminate app-server-a",
  "terminate app-server-b",
  "terminate app-server-c",
  "terminate heartbeat-monitor-a",
  "terminate primary-keeper",
  "terminate standby-keeper",
  "terminate db-pool-a",
  "terminate load-balancer-b",
  "terminate load-balancer-c",
];
