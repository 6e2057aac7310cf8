/** Connections of the keeper to its own PostgreSQL and to those of the other members, as the keepers' role. */
import { createHmac } from "node:crypto";
import type { PostgresAddress } from "@understudy/engines";
import pg from "pg";

/** Superuser and replication role of all keepers of a database; let in even while clients are kept out. */
export const keeperRole = "understudy_keeper";

/** One secret less to hand out: whoever knows the superuser's password could read this one anyway. */
export const keeperPassword = (superuserPassword: string): string =>
  createHmac("sha256", superuserPassword).update(keeperRole).digest("hex");

export interface Login {
  readonly user: string;
  readonly password: string;
  /** Tried where `password` is refused: it is being replaced, and the server does not know it yet. */
  readonly former?: readonly string[];
  readonly database?: string;
  /** PEM of whom to believe that it is an instance of this database; with it nothing is said without TLS. */
  readonly authority?: string | undefined;
}

/** A client that is not connected yet. Its errors reach the query in work; an idle one just ends. */
function session(address: PostgresAddress, login: Login, timeoutMs: number): pg.Client {
  const client = new pg.Client({
    ...address,
    user: login.user,
    password: login.password,
    database: login.database ?? "postgres",
    ...(login.authority !== undefined && { ssl: { ca: login.authority } }),
    application_name: "understudy-keeper",
    connectionTimeoutMillis: timeoutMs,
    // The keeper waits for no standby, and no time-out of an operator's may end its questions.
    options: "-c synchronous_commit=local -c statement_timeout=0 -c idle_session_timeout=0",
  });
  client.on("error", () => undefined);
  // A server that does not know the setting (before 17) would refuse the connection for it. First in the client's queue.
  client.connection.on("parameterStatus", ({ parameterName, parameterValue }) => {
    if (parameterName !== "server_version" || Number.parseInt(parameterValue, 10) < 17) return;
    client.once("connect", () => client.query("SET transaction_timeout = 0").catch(() => undefined));
  });
  return client;
}

/** A connection, and with which of the passwords. @throws what the last attempt throws */
async function admitted(address: PostgresAddress, login: Login, timeoutMs: number) {
  const passwords = [login.password, ...(login.former ?? [])];
  for (const [index, password] of passwords.entries()) {
    const client = session(address, { ...login, password }, timeoutMs);
    try {
      await client.connect();
      return { client, password };
    } catch (error) {
      leave(client);
      const isRefused = error instanceof pg.DatabaseError && error.code === "28P01";
      if (!isRefused || index === passwords.length - 1) throw error;
    }
  }
  throw new RangeError("A login has a password.");
}

export const connected = async (address: PostgresAddress, login: Login, timeoutMs: number): Promise<pg.Client> =>
  (await admitted(address, login, timeoutMs)).client;

/** The login with the one password that `address` takes, for programs that try only one. */
export async function provenLogin(address: PostgresAddress, login: Login, timeoutMs: number): Promise<Login> {
  if (login.former === undefined || login.former.length === 0) return login;
  const { client, password } = await admitted(address, login, timeoutMs);
  leave(client);
  return { ...login, password, former: [] };
}

/** Connects, runs `work` within `timeoutMs` and ends the connection. */
export async function withSession<Result>(
  address: PostgresAddress,
  login: Login,
  timeoutMs: number,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const startedAt = performance.now();
  const client = await connected(address, login, timeoutMs);
  const timer = setTimeout(
    () => client.connection.stream.destroy(new Error(`No answer in ${timeoutMs} ms.`)),
    Math.max(0, timeoutMs - (performance.now() - startedAt)),
  );
  try {
    return await work(client);
  } finally {
    clearTimeout(timer);
    leave(client);
  }
}

/** Says goodbye without waiting for it: a frozen server would never answer. */
export function leave(client: pg.Client): void {
  void client.end().catch(() => undefined);
  setTimeout(() => client.connection.stream.destroy(), 500).unref();
}
