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
  /** The one user, who may do everything; unless `users` are given. */
  readonly user?: string;
  readonly password?: string;
  /** Users with keys, each with what it may do; nobody else gets in. */
  readonly users?: NatsUsers;
  /** Clients and nodes speak TLS only. */
  readonly tls?: NatsTls;
  /** Between nodes; derived from cluster and password where not given. */
  readonly routeUser?: string;
  readonly routePassword?: string;
  /** Where the monitor listens; the loopback address where not given. */
  readonly monitorHost?: string;
  /** `server_tags`, such as `machine:machine-a`: for placement of streams. */
  readonly tags?: readonly string[];
}

export interface NatsUserRule {
  readonly name: string;
  /** Public key, `U...`. */
  readonly nkey: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface NatsUsers {
  readonly rules: readonly NatsUserRule[];
  /** Public key of the one user of the system account, which sees the servers and nothing of the cluster's messages. */
  readonly system: string;
}

/** Paths as the server sees them. */
export interface NatsTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Whom nodes believe that they are nodes. */
  readonly authorityFile: string;
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
  const { routeUser = "route", routePassword, password = "", cluster } = options;
  if (routePassword === undefined && password === "") throw new RangeError("Routes need a password of their own.");
  return {
    user: routeUser,
    password: routePassword ?? createHmac("sha256", password).update(`route:${cluster}`).digest("hex"),
  };
}

/** Longer than any answer takes: a switchover of a database has 30 s. */
const answerWithin = "1m";

function authorization({ user, password, users }: NatsServerOptions): string {
  if (users === undefined) {
    if (user === undefined || password === undefined) throw new RangeError("A node needs users.");
    return `authorization { user: ${quoted(user)}, password: ${quoted(password)} }`;
  }
  const rules = users.rules.map(
    ({ name, nkey, publish, subscribe }) => `    # ${name}
    {
      nkey: ${quoted(nkey)}
      permissions {
        publish { allow: ${list(publish)} }
        subscribe { allow: ${list(subscribe)} }
        # A request carries where its answer goes: that one subject, once.
        allow_responses { max: 1, expires: ${quoted(answerWithin)} }
      }
    }`,
  );
  return `authorization {
  # On busy cores a handshake takes its time.
  timeout: 5
  users = [
${rules.join("\n")}
  ]
}
accounts { SYS { users: [ { nkey: ${quoted(users.system)} } ] } }
system_account: SYS`;
}

const tlsBlock = (tls: NatsTls | undefined, verify: boolean, indent: string): string =>
  tls === undefined
    ? ""
    : `${indent}tls {
${indent}  cert_file: ${quoted(tls.certificateFile)}
${indent}  key_file: ${quoted(tls.keyFile)}
${indent}  ca_file: ${quoted(tls.authorityFile)}
${indent}  min_version: "1.3"
${indent}  verify: ${String(verify)}
${indent}  timeout: 5
${indent}}
`;

function withCredentials(route: string, { user, password }: RouteCredentials): string {
  const url = new URL(route);
  return `${url.protocol}//${encodeURIComponent(user)}:${encodeURIComponent(password)}@${url.host}`;
}

export function natsConfiguration(options: NatsServerOptions): string {
  const host = options.host ?? defaultHost;
  return `# Written at every start.
server_name: ${quoted(options.name)}
server_tags: ${list(options.tags ?? [])}
host: ${quoted(host)}
port: ${options.clientPort}
http: ${quoted(`${options.monitorHost ?? defaultHost}:${options.monitorPort}`)}

# A client or node that falls silent is noticed in seconds; the defaults are minutes.
ping_interval: "2s"
ping_max: 2
write_deadline: "5s"

${authorization(options)}
${tlsBlock(options.tls, false, "")}
jetstream {
  store_dir: ${quoted(options.dataDir)}
  # Acknowledged means on disk: the default acknowledges first and syncs every two minutes.
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: 8GB
}
${options.routes.length === 0 ? "" : clusterBlock(options)}`;
}

function clusterBlock(options: NatsServerOptions): string {
  const route = routeCredentials(options);
  return `
cluster {
  name: ${quoted(options.cluster)}
  host: ${quoted(options.host ?? defaultHost)}
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
${tlsBlock(options.tls, true, "  ")}  routes: ${list(options.routes.map((each) => withCredentials(each, route)))}
}
`;
}
