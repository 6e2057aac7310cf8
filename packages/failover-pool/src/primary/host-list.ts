/** Which hosts a pool may ask, from its options or from libpq's connection string for several hosts. Pure. */
import type { PoolConfig } from "pg";

export interface HostAddress {
  readonly id?: string;
  readonly host: string;
  readonly port?: number;
}

export interface Host {
  /** Names it in errors, events and news: its `id`, else `host:port`. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Over the pool's options: what `pg` is told to reach this host. */
  readonly config: PoolConfig;
}

const defaultPort = (): number => Number(process.env["PGPORT"] ?? 5432);

/** `scheme://user:password@` hosts `/database?parameters`, taken apart by hand: URL knows one host only. */
const severalHosts = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(.*)$/;

function splitHost(text: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]*)(?::(\d+))?$/.exec(text);
  const match = bracketed ?? plain;
  if (match === null) throw new TypeError(`${text} is not a host, or host:port.`);
  return { host: match[1] ?? "", port: match[2] === undefined ? undefined : Number(match[2]) };
}

/** `instances` is ours; the server must not be told. */
function withoutInstances(rest: string): { rest: string; instances: readonly string[] } {
  const mark = rest.indexOf("?");
  if (mark < 0) return { rest, instances: [] };
  const parameters = new URLSearchParams(rest.slice(mark + 1));
  const instances = (parameters.get("instances") ?? "").split(",").filter((name) => name !== "");
  parameters.delete("instances");
  // Told to libpq by those who connect several hosts; this pool looks for a primary in any case.
  parameters.delete("target_session_attrs");
  const left = parameters.toString();
  return { rest: left === "" ? rest.slice(0, mark) : `${rest.slice(0, mark)}?${left}`, instances };
}

function hostsOfConnectionString(connectionString: string): readonly Host[] | undefined {
  const match = severalHosts.exec(connectionString);
  if (match === null) return undefined;
  const [, scheme = "", login, authority = "", tail = ""] = match;
  const { rest, instances } = withoutInstances(tail);
  const names = authority.split(",");
  if (names.length > 1 && names.includes("")) throw new TypeError("A host of the connection string is empty.");
  if (instances.length > 0 && instances.length !== names.length)
    throw new TypeError(
      `${names.length} hosts and ${instances.length} instances: the connection string must name each.`,
    );
  return names.map((name, index) => {
    const { host, port } = splitHost(name);
    const prefix = login === undefined ? scheme : `${scheme}${login}@`;
    const shownHost = host === "" ? (process.env["PGHOST"] ?? "localhost") : host;
    return {
      id: instances[index] ?? `${shownHost}:${port ?? defaultPort()}`,
      host: shownHost,
      port: port ?? defaultPort(),
      config: { connectionString: `${prefix}${name}${rest}` },
    };
  });
}

/** @throws TypeError where the options name hosts that cannot be understood. */
export function hostList(
  options: Pick<PoolConfig, "connectionString" | "host" | "port"> & {
    readonly hosts?: readonly HostAddress[] | undefined;
  },
): readonly Host[] {
  if (options.hosts !== undefined && options.hosts.length > 0) {
    return options.hosts.map(({ id, host, port = options.port ?? defaultPort() }) => ({
      id: id ?? `${host}:${port}`,
      host,
      port,
      // A connection string beside `hosts` gives user, password and database only: its own host would win over ours.
      config: { ...partsOfConnectionString(options.connectionString), host, port },
    }));
  }
  const fromString =
    typeof options.connectionString === "string" ? hostsOfConnectionString(options.connectionString) : undefined;
  if (fromString !== undefined) return fromString;
  const port = options.port ?? defaultPort();
  const names = (options.host ?? process.env["PGHOST"] ?? "localhost").split(",");
  return names.map((host) => ({ id: `${host}:${port}`, host, port, config: { host, port } }));
}

function partsOfConnectionString(connectionString: string | undefined): PoolConfig {
  if (typeof connectionString !== "string") return {};
  const url = new URL(
    connectionString.replace(
      severalHosts,
      (_all, scheme, login, _hosts, rest) =>
        `${String(scheme)}${login === undefined ? "" : `${String(login)}@`}host${String(rest)}`,
    ),
  );
  const part = (value: string): string | undefined => (value === "" ? undefined : decodeURIComponent(value));
  return {
    connectionString: undefined,
    ...(part(url.username) !== undefined && { user: part(url.username) }),
    ...(part(url.password) !== undefined && { password: part(url.password) }),
    ...(part(url.pathname.slice(1)) !== undefined && { database: part(url.pathname.slice(1)) }),
  };
}
