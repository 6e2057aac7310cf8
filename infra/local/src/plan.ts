/**
 * From a layout and free ports to everything that runs: a pure function, so that the picture in
 * docs/architecture.md, "The local cluster", can be tested without starting anything.
 *
 * Invariants:
 * - A connection within a machine is direct; each that crosses machines goes through a link of the process
 *   `network`. So no process of one machine knows a port of another machine, only ports of links.
 * - The plan is JSON without secrets (paths of their files only): the dev runner gets it from the control socket.
 */
import { join } from "node:path";
import { applicationRole, type ServiceKind } from "@understudy/contracts";
import { processId, type Layout } from "./layout.ts";
import { serviceEnvironment, type ClusterSettings, type MachineView } from "./service-environment.ts";

export const host = "127.0.0.1";

export interface PlanOptions extends ClusterSettings {
  readonly layout: Layout;
  readonly dataDir: string;
}

/** A TCP link: what listens at `listenPort` on machine `from` is `targetPort` on machine `to`. */
export interface PlannedLink {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly listenPort: number;
  readonly targetPort: number;
}

export interface PlannedNats {
  readonly kind: "nats";
  readonly id: string;
  readonly machine: string;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly routePort: number;
  readonly monitorPort: number;
  /** The other nodes as this one reaches them. */
  readonly routes: readonly string[];
}

/** Started by its keeper, not by the supervisor. */
export interface PlannedPostgres {
  readonly kind: "postgres";
  readonly id: string;
  readonly machine: string;
  readonly keeper: string;
  readonly dataDir: string;
  readonly port: number;
}

export interface PlannedService {
  readonly kind: ServiceKind;
  readonly id: string;
  readonly machine: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface ClusterPlan {
  readonly settings: ClusterSettings;
  readonly machines: readonly string[];
  readonly links: readonly PlannedLink[];
  readonly nats: readonly PlannedNats[];
  readonly postgres: readonly PlannedPostgres[];
  readonly services: readonly PlannedService[];
  /** What each machine sees of the others, by machine. */
  readonly views: Readonly<Record<string, MachineView>>;
}

/** Something that listens on one machine and is reached from others. */
interface Endpoint {
  /** Names its port, such as `nats-a/client`. */
  readonly id: string;
  readonly machine: string;
}

const sqlOf = (machine: string): string => `${processId("postgres", machine)}/sql`;
const linkId = (from: string, endpoint: Endpoint): string => `${from}>${endpoint.id}`;
const servesHttp = (kind: string): boolean => kind === "app-server" || kind === "load-balancer";

const endpointsOf = (layout: Layout): readonly Endpoint[] =>
  layout.flatMap(({ id: machine, runs }) =>
    runs.flatMap((kind) => {
      const id = processId(kind, machine);
      if (kind === "nats") return [`${id}/client`, `${id}/route`].map((each) => ({ id: each, machine }));
      if (kind === "db-keeper") return [{ id: sqlOf(machine), machine }];
      if (kind === "app-server") return [{ id: `${id}/http`, machine }];
      return [];
    }),
  );

const crossings = (layout: Layout) =>
  endpointsOf(layout).flatMap((endpoint) =>
    layout.filter(({ id }) => id !== endpoint.machine).map(({ id: from }) => ({ from, endpoint })),
  );

/** Names of all ports that `planCluster` needs. */
export function portsNeeded(layout: Layout): readonly string[] {
  const own = layout.flatMap(({ id: machine, runs }) =>
    runs.flatMap((kind) => {
      const id = processId(kind, machine);
      if (kind === "nats") return [`${id}/client`, `${id}/route`, `${id}/monitor`];
      if (kind === "db-keeper") return [`${id}/ops`, sqlOf(machine)];
      return servesHttp(kind) ? [`${id}/http`, `${id}/ops`] : [`${id}/ops`];
    }),
  );
  return [...own, ...crossings(layout).map(({ from, endpoint }) => linkId(from, endpoint))];
}

export function planCluster(options: PlanOptions, ports: ReadonlyMap<string, number>): ClusterPlan {
  const { layout, dataDir, ...settings } = options;
  const port = (name: string): number => {
    const found = ports.get(name);
    if (found === undefined) throw new RangeError(`The plan has no port for ${name}.`);
    return found;
  };
  /** The port where `machine` reaches an endpoint. */
  const reach = (machine: string, endpoint: Endpoint): number =>
    machine === endpoint.machine ? port(endpoint.id) : port(linkId(machine, endpoint));
  const running = (kind: string) =>
    layout
      .filter(({ runs }) => (runs as readonly string[]).includes(kind))
      .map(({ id: machine }) => ({ machine, id: processId(kind as "nats", machine) }));
  const databases = running("db-keeper").map(({ machine, id: keeper }) => ({
    machine,
    keeper,
    id: processId("postgres", machine),
    dataDir: join(dataDir, processId("postgres", machine)),
  }));

  const viewOf = (machine: string): MachineView => {
    // The own node first: it is the one that no cut takes away.
    const isOwn = (node: { machine: string }) => Number(node.machine === machine);
    const nodes = running("nats").sort((one, other) => isOwn(other) - isOwn(one));
    const own = nodes.find((node) => node.machine === machine);
    const members = databases.map((member) => ({
      id: member.id,
      machine: member.machine,
      port: reach(machine, { machine: member.machine, id: sqlOf(member.machine) }),
    }));
    const ownFirst = [...members].sort((one, other) => isOwn(other) - isOwn(one));
    return {
      machine,
      ...(own && { natsNode: own.id }),
      natsServers: nodes.map((node) => `nats://${host}:${reach(machine, { ...node, id: `${node.id}/client` })}`),
      ...(members.length > 0 && { databaseUrl: databaseUrl(settings, ownFirst) }),
      databaseNatsNodes: running("nats")
        .filter((node) => members.some((member) => member.machine === node.machine))
        .map(({ id }) => id),
      databaseMembers: Object.fromEntries(members.map(({ id, port: at }) => [id, `${host}:${at}`])),
      appServers: Object.fromEntries(
        running("app-server").map((server) => [
          server.id,
          `http://${host}:${reach(machine, { ...server, id: `${server.id}/http` })}`,
        ]),
      ),
    };
  };
  const views = Object.fromEntries(layout.map(({ id }) => [id, viewOf(id)]));

  return {
    settings,
    machines: layout.map(({ id }) => id),
    links: crossings(layout).map(({ from, endpoint }) => ({
      id: linkId(from, endpoint),
      from,
      to: endpoint.machine,
      listenPort: port(linkId(from, endpoint)),
      targetPort: port(endpoint.id),
    })),
    nats: running("nats").map(({ id, machine }) => ({
      kind: "nats" as const,
      id,
      machine,
      dataDir: join(dataDir, id),
      clientPort: port(`${id}/client`),
      routePort: port(`${id}/route`),
      monitorPort: port(`${id}/monitor`),
      routes: running("nats")
        .filter((other) => other.id !== id)
        .map((other) => `nats://${host}:${reach(machine, { ...other, id: `${other.id}/route` })}`),
    })),
    postgres: databases.map((member) => ({
      kind: "postgres" as const,
      ...member,
      port: port(sqlOf(member.machine)),
    })),
    services: layout.flatMap(({ id: machine, runs }) =>
      runs.flatMap((kind) => {
        if (kind === "nats") return [];
        const id = processId(kind, machine);
        const member = databases.find(({ keeper }) => keeper === id);
        const place = {
          id,
          kind,
          opsPort: port(`${id}/ops`),
          ...(servesHttp(kind) && { httpPort: port(`${id}/http`) }),
          ...(member && { postgres: { id: member.id, dataDir: member.dataDir, port: port(sqlOf(machine)) } }),
        };
        return [{ kind, id, machine, environment: serviceEnvironment(settings, views[machine] as MachineView, place) }];
      }),
    ),
    views,
  };
}

/** libpq's form for several hosts, without the password. */
const databaseUrl = (
  settings: ClusterSettings,
  members: readonly { readonly id: string; readonly port: number }[],
): string => {
  const hosts = members.map(({ port }) => `${host}:${port}`).join(",");
  const instances = members.map(({ id }) => id).join(",");
  return `postgres://${applicationRole}@${hosts}/${settings.database}?instances=${instances}`;
};
