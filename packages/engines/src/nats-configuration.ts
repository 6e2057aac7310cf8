/** The configuration file of one nats-server, as a pure function of its options. */
import { createHmac } from "node:crypto";

export interface NatsServerOptions {
  /** Unique in the cluster, such as `nats-a`. */
  readonly name: string;
  readonly cluster: string;
  readonly dataDir: string;
  readonly host?: string;
  readonly clientPort: number;
  readonly routePort: number;
  readonly monitorPort: number;
  /** The other nodes' route listeners as they are reached from here: `nats://host:port`, without credentials. */
  readonly routes: readonly string[];
  readonly user: string;
  readonly password: string;
  /** Credentials between nodes; derived from cluster and password where not given. */
  readonly routeUser?: string;
  readonly routePassword?: string;
  /** `server_tags`, such as `machine:machine-a`: for placement of streams. */
  readonly tags?: readonly string[];
}

export const defaultHost = "127.0.0.1";

/** nats-server's strings know few escapes, so only what needs none but these goes in. */
export function quoted(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError("nats-server's configuration takes printable ASCII only.");
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const list = (entries: readonly string[]): string => `[${entries.map(quoted).join(", ")}]`;

interface RouteCredentials {
  readonly user: string;
  readonly password: string;
}

function routeCredentials(options: NatsServerOptions): RouteCredentials {
  return {
    user: options.routeUser ?? "route",
    password:
      options.routePassword ?? createHmac("sha256", options.password).update(`route:${options.cluster}`).digest("hex"),
  };
}

function withCredentials(route: string, { user, password }: RouteCredentials): string {
  const url = new URL(route);
  return `${url.protocol}//${encodeURIComponent(user)}:${encodeURIComponent(password)}@${url.host}`;
}

export function natsConfiguration(options: NatsServerOptions): string {
  const host = options.host ?? defaultHost;
  const route = routeCredentials(options);
  return `# Written at every start.
server_name: ${quoted(options.name)}
server_tags: ${list(options.tags ?? [])}
host: ${quoted(host)}
port: ${options.clientPort}
http: ${quoted(`${host}:${options.monitorPort}`)}

# A client or node that falls silent is noticed in seconds; the defaults are minutes.
ping_interval: "2s"
ping_max: 2
write_deadline: "5s"

authorization { user: ${quoted(options.user)}, password: ${quoted(options.password)} }

jetstream {
  store_dir: ${quoted(options.dataDir)}
  # Acknowledged means on disk: the default acknowledges first and syncs every two minutes.
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: 8GB
}
${
  options.routes.length === 0
    ? ""
    : `
cluster {
  name: ${quoted(options.cluster)}
  host: ${quoted(host)}
  port: ${options.routePort}
  # Clients use the addresses that they were given.
  no_advertise: true
  # Nodes tell each other where a third one listens and would dial it there, past the configured routes. The address
  # that we tell refuses connections, and without retries a node tries it once.
  advertise: "127.0.0.1:1"
  connect_retries: 0
  # Not shorter: on saturated cores a node answers late, and each route torn for nothing costs JetStream an election
  # (5-7 s). Nothing waits for this: takeovers come from probes and swaps.
  ping_interval: "3s"
  ping_max: 3
  write_deadline: "2s"
  authorization { user: ${quoted(route.user)}, password: ${quoted(route.password)}, timeout: 2 }
  routes: ${list(options.routes.map((each) => withCredentials(each, route)))}
}
`
}`;
}
