/** Looks at everything at once; each look is bounded, so a frozen part costs its time-out and no more. */
import { jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  beat,
  clusterRoles,
  clusterStatus,
  configurationBucket,
  databaseStatus,
  rolesKey,
  routingPublished,
  type ClusterRoles,
  type ClusterStatus,
  type RoutingTable,
  type RunFile,
} from "@understudy/contracts";
import { listen } from "@understudy/runtime/messages";
import { pause } from "@understudy/runtime/wait";
import { ControlSocket } from "../access/control-socket.ts";
import type { CommandContext } from "../command-context.ts";
import type { Answer, DoctorFacts, HostFacts, LocalFacts, NatsFacts, ProcessFacts, StreamFacts } from "./facts.ts";
import { diskRoom, isAlive, knockAtPostgres, look } from "./probes.ts";

const lookMs = 2_000;
/** A stream that has just lost its leader answers late. */
const jetStreamMs = 5_000;
/** The table comes every 500 ms and a beat at most every 5 s, by default every 250 ms. */
const listenMs = 1_600;

export async function gather(context: CommandContext): Promise<DoctorFacts> {
  const cluster = context.cluster();
  const run = cluster.runIfLocal();
  const [local, overNats] = await Promise.all([
    run && gatherLocal(run, cluster.stateFolder ?? "."),
    gatherOverNats(context),
  ]);
  return { local, ...overNats, node: process.versions.node };
}

async function gatherLocal(run: RunFile, stateFolder: string): Promise<LocalFacts> {
  const instances = run.databases.flatMap(({ instances }) => instances);
  const [controlAnswers, disk, processes, nats, databases, door] = await Promise.all([
    new ControlSocket(run, stateFolder).answers(lookMs),
    diskRoom(stateFolder),
    Promise.all(
      run.processes.flatMap((process) => (process.opsUrl ? [lookAtProcess(process.id, process.opsUrl)] : [])),
    ),
    Promise.all(run.nats.map(({ id, monitorUrl }) => lookAtNats(id, monitorUrl))),
    Promise.all(instances.map(async ({ id, url }) => ({ id, url, failure: await knockAtPostgres(url, lookMs) }))),
    look(run.urls.openapi, lookMs),
  ]);
  return {
    stateFolder,
    run,
    supervisorAlive: isAlive(run.supervisor.pid),
    controlAnswers,
    disk,
    processes,
    nats,
    databases,
    door,
  };
}

async function lookAtProcess(id: string, opsUrl: string): Promise<ProcessFacts> {
  const [live, ready] = await Promise.all([
    look(new URL("/livez", opsUrl).href, lookMs),
    look(new URL("/readyz", opsUrl).href, lookMs),
  ]);
  return { id, live, ready };
}

/** nats-server's monitoring: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring */
async function lookAtNats(id: string, monitorUrl: string): Promise<NatsFacts> {
  const [health, general, routes] = await Promise.all(
    ["/healthz?js-enabled-only=true", "/varz", "/routez"].map((path) => look(new URL(path, monitorUrl).href, lookMs)),
  );
  const remotes = field(routes, "routes");
  return {
    id,
    health: health ?? { kind: "failed", reason: "not asked" },
    version: asText(field(general, "version")),
    neighbours: Array.isArray(remotes)
      ? [...new Set(remotes.map((route: { remote_name?: unknown }) => asText(route.remote_name) ?? ""))]
      : undefined,
  };
}

function field(answer: Answer | undefined, name: string): unknown {
  if (answer?.kind !== "answered" || typeof answer.body !== "object" || answer.body === null) return undefined;
  return (answer.body as Readonly<Record<string, unknown>>)[name];
}

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

type NatsSide = Omit<DoctorFacts, "local" | "node">;

async function gatherOverNats(context: CommandContext): Promise<NatsSide> {
  const cluster = context.cluster();
  const link = await cluster.link();
  const nothing = { status: undefined, roles: undefined, routing: undefined, streams: undefined, hosts: [] };
  let connection: NatsConnection;
  let status: ClusterStatus | undefined;
  try {
    await link.connection();
    // First, because it may turn to another node: the one on the right side of a cut is the one to listen on.
    status = await cluster.ask(clusterStatus, {}).catch(() => undefined);
    connection = await link.connection();
  } catch (error) {
    return { ...nothing, natsFailure: (error as Error).message };
  }
  const [heard, roles, streams, databases] = await Promise.all([
    hear(connection, context.signal),
    readRoles(connection),
    readStreams(connection),
    cluster.ask(databaseStatus, {}, { patienceMs: 0 }).catch(() => undefined),
  ]);
  return { natsFailure: undefined, status, roles, streams, databases, ...heard };
}

/** Listens for a moment to what is said anyway: the routing table, every instance's beats. */
async function hear(
  connection: NatsConnection,
  signal: AbortSignal,
): Promise<{ routing: RoutingTable | undefined; hosts: HostFacts[] }> {
  let routing: RoutingTable | undefined;
  const hosts = new Map<string, HostFacts>();
  const ignoreMalformed = { onMalformed: () => undefined };
  const subscriptions = [
    listen(connection, routingPublished, (table) => (routing = table), ignoreMalformed),
    listen(
      connection,
      beat,
      ({ instance, host, sentAt }) => {
        const offset = sentAt - Date.now();
        const before = hosts.get(instance.machine)?.clockOffsetMs ?? offset;
        const clockOffsetMs = Math.abs(offset) < Math.abs(before) ? offset : before;
        hosts.set(instance.machine, { machine: instance.machine, figures: host, clockOffsetMs });
      },
      { id: "*", ...ignoreMalformed },
    ),
  ];
  await pause(listenMs, signal);
  for (const subscription of subscriptions) subscription.unsubscribe();
  return { routing, hosts: [...hosts.values()].sort((one, other) => one.machine.localeCompare(other.machine)) };
}

async function readRoles(connection: NatsConnection): Promise<ClusterRoles | undefined> {
  try {
    const bucket = await new Kvm(connection).open(configurationBucket);
    const entry = await bucket.get(rolesKey);
    return entry ? clusterRoles.parse(entry.json()) : undefined;
  } catch {
    return undefined;
  }
}

async function readStreams(connection: NatsConnection): Promise<StreamFacts[] | undefined> {
  try {
    const manager = await jetstreamManager(connection, { timeout: jetStreamMs });
    const streams: StreamFacts[] = [];
    for await (const info of manager.streams.list()) streams.push(streamOf(info));
    return streams.sort((one, other) => one.name.localeCompare(other.name));
  } catch {
    return undefined;
  }
}

function streamOf({ config, cluster }: StreamInfo): StreamFacts {
  const others = cluster?.replicas ?? [];
  const behind = others.filter(({ current, offline }) => !current || offline).map(({ name }) => name);
  const replicas = config.num_replicas;
  // A single node tells no cluster: its own copy is all there is.
  const hasLeader = cluster === undefined || Boolean(cluster.leader);
  return {
    name: config.name,
    leader: cluster?.leader ?? (cluster === undefined ? "single" : undefined),
    replicas,
    current: (hasLeader ? 1 : 0) + others.length - behind.length,
    behind,
  };
}
