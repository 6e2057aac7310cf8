import { join } from "node:path";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import pg from "pg";
import {
  databaseHistoryEntry,
  databaseHistoryStream,
  databaseLease,
  databaseLeaseBucket,
  databaseLeaseKey,
  keeperState,
  primaryChanged,
  type DatabaseEntry,
  type DatabaseHistoryEntry,
  type DatabaseLease,
  type KeeperState,
  type PrimaryChanged,
} from "@understudy/contracts";
import { freePorts, processTree, signalTree } from "@understudy/engines";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { listen } from "@understudy/runtime";
import {
  eventually,
  NatsCluster,
  ServiceProcess,
  TcpLink,
  temporaryFolder,
  type TemporaryFolder,
} from "@understudy/testkit";
import { Writer } from "./writer.ts";

export const password = "not-a-secret";
export const database = "shop";
// Two cores may be busy with much else.
export const slowMs = 60_000;

export interface KeeperClusterOptions {
  readonly members?: number;
  readonly natsNodes?: number;
  readonly policy?: DatabaseEntry["policy"];
  readonly variables?: Readonly<Record<string, string>>;
  /** Certificate and key of a member, and whom to believe: paths of files. Without TLS when omitted. */
  readonly tls?: (member: string) => TlsFiles;
  /** Where each member's data folder is made, in their order; in a temporary folder when omitted. */
  readonly dataFolders?: readonly string[];
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export const tlsVariables = ({ certificate, key, authority }: TlsFiles): Record<string, string> => ({
  UNDERSTUDY_POSTGRES_CERTIFICATE_FILE: certificate,
  UNDERSTUDY_POSTGRES_KEY_FILE: key,
  UNDERSTUDY_DATABASE_CA_FILE: authority,
});

export interface Machine {
  readonly member: string;
  readonly keeperId: string;
  readonly port: number;
  readonly dataDir: string;
  /** By which the others reach its PostgreSQL. */
  readonly link: TcpLink;
  keeper: ServiceProcess;
}

/** Keepers with their PostgreSQL on a real NATS, as a supervisor would start them, and everything that they say. */
export class KeeperCluster {
  readonly states = new Map<string, KeeperState>();
  readonly primaries: PrimaryChanged[] = [];
  readonly machines: Machine[] = [];
  readonly #writers: Writer[] = [];
  #observer: NatsConnection | undefined;

  private constructor(
    readonly nats: NatsCluster,
    readonly folder: TemporaryFolder,
    private readonly options: KeeperClusterOptions,
  ) {
    writeFileSync(this.passwordFile, password, { mode: 0o600 });
  }

  static async start(options: KeeperClusterOptions = {}): Promise<KeeperCluster> {
    const nats = await NatsCluster.start({ nodes: options.natsNodes ?? 1 });
    const cluster = new KeeperCluster(nats, temporaryFolder("keepers"), options);
    try {
      await cluster.#build();
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  get passwordFile(): string {
    return join(this.folder.path, "password");
  }

  async #build(): Promise<void> {
    const observer = await this.nats.connect("test");
    this.#observer = observer;
    listen(observer, keeperState, (state) => this.states.set(state.member, state), { id: "*" });
    listen(observer, primaryChanged, (change) => this.primaries.push(change));
    const count = this.options.members ?? 2;
    const ports = await freePorts(count);
    for (const [index, port] of ports.entries()) {
      const letter = "abcdef"[index] ?? "x";
      const member = `postgres-${letter}`;
      this.machines.push({
        member,
        keeperId: `db-keeper-${letter}`,
        port,
        dataDir: join(this.options.dataFolders?.[index] ?? this.folder.path, member),
        link: await TcpLink.start({ target: { host: "127.0.0.1", port } }),
        keeper: undefined as never,
      });
    }
    for (const machine of this.machines) this.launch(machine);
    await this.protected();
    await this.query(Writer.table);
  }

  launch(machine: Machine, variables: Readonly<Record<string, string>> = {}): ServiceProcess {
    const index = this.machines.indexOf(machine);
    const { servers } = this.nats;
    machine.keeper = ServiceProcess.launch({
      service: "@understudy/db-keeper",
      environment: {
        UNDERSTUDY_ID: machine.keeperId,
        UNDERSTUDY_MACHINE: `machine-${"abcdef"[index]}`,
        UNDERSTUDY_NATS_SERVERS: [...servers.slice(index), ...servers.slice(0, index)].join(","),
        UNDERSTUDY_NATS_USER: this.nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.nats.passwordFile,
        ...(servers.length > 1 && { UNDERSTUDY_NATS_NODE: this.nats.node(index).name }),
        UNDERSTUDY_DATABASE: database,
        UNDERSTUDY_DATABASE_POLICY: this.options.policy ?? "available",
        UNDERSTUDY_MEMBER: machine.member,
        UNDERSTUDY_MEMBERS: this.machines
          .map((other) => `${other.member}=127.0.0.1:${other === machine ? other.port : other.link.port}`)
          .join(","),
        UNDERSTUDY_POSTGRES_DATA_DIR: machine.dataDir,
        UNDERSTUDY_DATABASE_PASSWORD_FILE: this.passwordFile,
        ...(this.options.tls && tlsVariables(this.options.tls(machine.member))),
        ...this.options.variables,
        ...variables,
      },
    });
    return machine.keeper;
  }

  machine(member: string): Machine {
    const found = this.machines.find((machine) => machine.member === member);
    if (found === undefined) throw new Error(`There is no ${member}.`);
    return found;
  }

  get observer(): NatsConnection {
    if (this.#observer === undefined) throw new Error("It is not started.");
    return this.#observer;
  }

  /** The lease as it stands; undefined before the first. */
  async lease(): Promise<DatabaseLease | undefined> {
    const manager = await jetstreamManager(this.observer);
    const message = await manager.streams
      .getMessage(`KV_${databaseLeaseBucket(database)}`, {
        last_by_subj: `$KV.${databaseLeaseBucket(database)}.${databaseLeaseKey}`,
      })
      .catch(() => null);
    return message === null ? undefined : databaseLease.parse(JSON.parse(message.string()));
  }

  /** Waits until the database is open on `primary` (any, when omitted) with all machines' members in sync. */
  async protected(primary?: string, inSync = this.machines.length): Promise<DatabaseLease> {
    return eventually(
      async () => {
        const lease = await this.lease();
        if (lease === undefined || lease.status !== "held") return undefined;
        const { phase, primary: now, inSync: have } = lease.content;
        if (phase !== "open" || have.length !== inSync || (primary !== undefined && now !== primary))
          throw new Error(JSON.stringify(lease));
        return lease;
      },
      { withinMs: slowMs, describe: `the database is open${primary ? ` on ${primary}` : ""} with ${inSync} in sync` },
    ).catch((error: Error) => {
      const said = this.machines.map(({ member, keeper }) => `--- ${member}\n${keeper?.output}`).join("\n");
      throw new Error(`${error.message}\n${said}`);
    });
  }

  async primary(): Promise<Machine> {
    const lease = await this.lease();
    return this.machine(lease?.content.primary ?? "");
  }

  async standby(): Promise<Machine> {
    const primary = await this.primary();
    const other = this.machines.find((machine) => machine !== primary);
    if (other === undefined) throw new Error("There is one machine only.");
    return other;
  }

  /** The process of the PostgreSQL that a machine's keeper runs, as it told its supervisor. */
  postgresPid({ keeper }: Machine): number {
    const told = keeper.messages.findLast((message) => message.type === "engine");
    if (told?.type !== "engine" || told.pid === null) throw new Error("It runs no PostgreSQL.");
    return told.pid;
  }

  /** Processes of the PostgreSQL that works in a machine's data folder, whoever started it. */
  serverOn({ dataDir }: Machine): number[] {
    const lock = join(dataDir, "postmaster.pid");
    return existsSync(lock) ? processTree(Number(readFileSync(lock, "utf8").split("\n", 1)[0])) : [];
  }

  /** kill -9 of PostgreSQL alone, with all its processes. */
  killPostgres(machine: Machine): void {
    signalTree(this.postgresPid(machine), "SIGKILL");
  }

  /** PEM of whom clients of the members believe; undefined without TLS. */
  get #authority(): string | undefined {
    const [first] = this.machines;
    const files = first && this.options.tls?.(first.member);
    return files && readFileSync(files.authority, "utf8");
  }

  /** One statement on the primary, or on `member`. */
  async query<Row extends pg.QueryResultRow>(text: string, member?: string, withinMs = 20_000): Promise<Row[]> {
    const { port } = member === undefined ? await this.primary() : this.machine(member);
    const authority = this.#authority;
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      user: "postgres",
      password,
      database,
      ...(authority !== undefined && { ssl: { ca: authority } }),
      connectionTimeoutMillis: 5_000,
      query_timeout: withinMs,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Row>(text)).rows;
    } finally {
      client.connection.stream.destroy();
    }
  }

  /** Writes to whoever is primary, or to `member` alone. */
  writer(everyMs?: number, member?: string): Writer {
    const hosts = this.machines
      .filter((machine) => member === undefined || machine.member === member)
      .map((machine) => ({ member: machine.member, port: machine.port }));
    const writer = new Writer(hosts, password, database, everyMs, this.#authority);
    this.#writers.push(writer);
    writer.start();
    return writer;
  }

  /** Rows that were acknowledged and are not there. */
  async lost(writer: Writer): Promise<number[]> {
    // Those from before the question only: the writer may go on meanwhile.
    const acknowledged = writer.acknowledged.map(({ key }) => key);
    // Between two primaries there is none to ask.
    const rows = await eventually(() => this.query<{ key: string }>("SELECT key FROM written"), { withinMs: slowMs });
    const there = new Set(rows.map(({ key }) => Number(key)));
    return acknowledged.filter((key) => !there.has(key));
  }

  /** What amcheck (its extension must be there) finds wrong with `member`: with an index by throwing. */
  async damage(member: string, relations: readonly string[]): Promise<unknown[]> {
    await this.query(
      `SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND i.indisvalid`,
      member,
      slowMs,
    );
    const found: unknown[] = [];
    for (const relation of relations)
      found.push(...(await this.query(`SELECT * FROM verify_heapam('${relation}')`, member, slowMs)));
    return found;
  }

  /** FENCE: terms rise, a later term never opens a lower timeline, and another primary opens a higher one. */
  async fenceBreaches(): Promise<string[]> {
    const openings = new Set(["initialised", "failover", "switchover", "restarted"]);
    const terms = (await this.history()).filter(({ event }) => openings.has(event)).map(({ term }) => term);
    const breaches = terms.flatMap((term, index) =>
      term < (terms[index - 1] ?? 0) ? [`term ${term} was opened after ${terms[index - 1]}`] : [],
    );
    for (const [index, change] of this.primaries.entries()) {
      const before = this.primaries[index - 1];
      if (before === undefined || change.term <= before.term) continue;
      const least = before.timeline + (change.primary === before.primary ? 0 : 1);
      if (change.timeline < least)
        breaches.push(`term ${change.term} of ${change.primary} opened timeline ${change.timeline}, not ${least}`);
    }
    return breaches;
  }

  async history(): Promise<DatabaseHistoryEntry[]> {
    const manager = await jetstreamManager(this.observer);
    const { state } = await manager.streams.info(databaseHistoryStream);
    const entries: DatabaseHistoryEntry[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(databaseHistoryStream, { seq });
      if (message !== null) entries.push(databaseHistoryEntry.parse(JSON.parse(message.string())));
    }
    return entries;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    await Promise.all(this.machines.map(({ keeper }) => keeper?.kill()));
    await Promise.all(this.machines.map(({ link }) => link.stop()));
    await this.nats.stop();
    this.folder.remove();
  }
}
