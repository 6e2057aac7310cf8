/**
 * A database's address in libpq's form for several hosts:
 * `postgres://user@host-a:5432,host-b:5432/shop?instances=postgres-a,postgres-b`; `instances` names the hosts, in order.
 */
export interface DatabaseHost {
  /** The PostgreSQL instance, such as `postgres-a`; `host:port` where it has no name. */
  readonly instance: string;
  readonly host: string;
  readonly port: number;
}

export interface DatabaseAddress {
  readonly user: string;
  readonly database: string;
  readonly hosts: readonly DatabaseHost[];
}

const form = /^postgres(?:ql)?:\/\/(?:([^@/?#:]*)(?::([^@/?#]*))?@)?([^/?#]+)\/([^?#]+)(?:\?([^#]*))?$/;
const standardPort = 5432;

/** The same address for another login. */
export const addressFor = (url: string, user: string): string =>
  url.replace(
    /^(postgres(?:ql)?:\/\/)(?:[^@/?#]*@)?/,
    (_all, scheme: string) => `${scheme}${encodeURIComponent(user)}@`,
  );

/** @throws TypeError that says what is wrong; never with the address itself, which may hold a password. */
export function databaseAddress(url: string): DatabaseAddress {
  const [, user = "", , hostList = "", database = "", query = ""] = form.exec(url) ?? [];
  if (database === "") throw new TypeError("must look like postgres://user@host:5432,other:5432/database");
  const names = new URLSearchParams(query).get("instances")?.split(",") ?? [];
  const hosts = hostList.split(",").map((entry, index) => {
    const [, host = "", port] = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(entry) ?? [];
    if (host === "") throw new TypeError(`"${entry}" is no host or host:port`);
    const bare = host.replaceAll(/[[\]]/g, "");
    const number = port === undefined ? standardPort : Number(port);
    return { instance: names[index] ?? `${host}:${number}`, host: bare, port: number };
  });
  if (names.length > 0 && names.length !== hosts.length) {
    throw new TypeError(`names ${names.length} instances for ${hosts.length} hosts`);
  }
  return { user: decodeURIComponent(user), database: decodeURIComponent(database), hosts };
}
