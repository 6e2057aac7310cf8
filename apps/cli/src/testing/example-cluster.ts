/** A small cluster as its run.json and its message server describe it, for the specs of the rendering. */
import {
  defaultClusterSettings,
  type ClusterStatus,
  type DatabaseStatus,
  type DatabaseTopology,
  type RunFile,
} from "@understudy/contracts";

export const noon = Date.parse("2026-01-31T12:00:00.000Z");

const incarnation = (last: number): string => `019b0000-0000-7000-8000-${String(last).padStart(12, "0")}`;
const identity = (
  kind: ClusterStatus["instances"][number]["instance"]["kind"],
  id: string,
  machine: string,
  last: number,
) => ({ kind, id, machine, incarnation: incarnation(last), cluster: "understudy", site: "site-1" });

type Instance = ClusterStatus["instances"][number];

const beating = (instance: Instance["instance"]): Instance => ({
  instance,
  verdict: "alive",
  lastBeatMs: 120,
  load: 2,
  eventLoopLagMs: 3.4,
  residentBytes: 94_000_000,
  cpu: 0.04,
  ready: true,
});

const messageServers = ["a", "b"].map((letter, at) =>
  identity("message-server", `message-server-${letter}`, `machine-${letter}`, at + 1),
);
const appServers = ["a", "b"].map((letter, at) =>
  identity("app-server", `app-server-${letter}`, `machine-${letter}`, at + 11),
);

export const exampleStatus = (): ClusterStatus => ({
  leader: { term: 7, holder: { id: "message-server-a", incarnation: incarnation(1) } },
  roles: {
    term: 7,
    messageServer: "message-server-a",
    alternates: ["message-server-b"],
    since: new Date(noon - 600_000).toISOString(),
  },
  warnings: [],
  termInDatabase: true,
  settingsVersion: 3,
  appServers: appServers.map((instance, at) => ({
    instance,
    protocol: 1,
    url: `http://127.0.0.1:${9_000 + at}`,
    capacity: 64,
    applications: ["order-entry"],
    state: "accepting",
    since: noon - 500_000,
    evidence: [],
  })),
  instances: [...messageServers, ...appServers].map(beating),
});

export const exampleRun = (): RunFile => ({
  cluster: "understudy",
  startedAt: new Date(noon - 720_000).toISOString(),
  supervisor: { pid: 100, controlSocket: "control.sock" },
  urls: {
    loadBalancer: "http://127.0.0.1:8080",
    api: "http://127.0.0.1:8080/api/",
    openapi: "http://127.0.0.1:8080/api/openapi.json",
  },
  machines: ["machine-a", "machine-b"].map((id) => ({ id, cut: false })),
  processes: [
    ...[...messageServers, ...appServers].map(({ id, kind, machine }, at) => ({
      id,
      kind,
      machine,
      pid: 200 + at,
      state: "running" as const,
      restarts: 0,
      opsUrl: `http://127.0.0.1:${9_500 + at}`,
    })),
    { id: "nats-a", kind: "nats", machine: "machine-a", pid: 300, state: "running", restarts: 0 },
    { id: "postgres-a", kind: "postgres", machine: "machine-a", pid: 301, state: "running", restarts: 0 },
  ],
  databases: [{ name: "orders", instances: [{ id: "postgres-a", url: "postgres://app@127.0.0.1:5432/orders" }] }],
  nats: [
    {
      id: "nats-a",
      machine: "machine-a",
      url: "nats://127.0.0.1:4222",
      monitorUrl: "http://127.0.0.1:8222",
    },
  ],
  natsCredentials: { user: "understudy", passwordFile: "nats-password" },
});

/** One database on two machines, healthy but for `changes`. */
export const exampleDatabases = (
  changes: { [Field in keyof DatabaseTopology]?: DatabaseTopology[Field] | undefined } = {},
): DatabaseStatus => ({
  databases: [
    withoutUndefined({
      database: "orders",
      term: 4,
      timeline: 2,
      primary: "postgres-a",
      policy: "available",
      phase: "open",
      members: [
        {
          id: "postgres-a",
          machine: "machine-a",
          role: "primary",
          state: "running",
          timeline: 2,
          position: "0/5000400",
          inSync: true,
        },
        {
          id: "postgres-b",
          machine: "machine-b",
          role: "standby",
          state: "streaming",
          timeline: 2,
          position: "0/5000000",
          replayed: "0/5000000",
          lagBytes: 1_024,
          inSync: true,
        },
      ],
      at: noon,
      ...changes,
    }),
  ],
  pools: [
    {
      instance: { id: "app-server-a", incarnation: incarnation(11) },
      database: "orders",
      primary: "postgres-a",
      open: 4,
      idle: 3,
      held: 0,
      retries: 2,
      replays: 1,
      resolvedCommitted: 1,
      resolvedNotCommitted: 0,
      unresolved: 0,
      withoutPrimaryMs: 310,
    },
  ],
  inDoubt: [
    {
      instance: { id: "app-server-a", incarnation: incarnation(11) },
      database: "orders",
      operation: incarnation(99),
      attempt: 1,
      since: noon - 60_000,
      outcome: "committed",
      endedAt: noon - 59_880,
    },
  ],
});

const withoutUndefined = (topology: object): DatabaseTopology =>
  Object.fromEntries(Object.entries(topology).filter(([, value]) => value !== undefined)) as DatabaseTopology;

export const exampleSettings = () => ({
  version: 3,
  term: 7,
  changedAt: new Date(noon - 60_000).toISOString(),
  changedBy: "anna@desk",
  changeIds: [],
  settings: defaultClusterSettings(),
});
