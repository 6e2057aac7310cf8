/**
 * The one PostgreSQL that a keeper runs: starts and ends it, changes its configuration, and knows what it is.
 *
 * States: stopped (with how it ended) -> starting (the process runs, does not answer SQL yet) -> running -> stopped.
 * All changes go through `#become`; whoever is told of a change finds it in `facts`. `promote` keeps it running.
 *
 * - The process dies with this one: it is watched by a reaper from its first moment. Should the reaper have died too,
 *   the next life of the keeper ends what it left before anything else (D4).
 * - What the configuration says is written before the start that needs it; a change in a running server counts
 *   (`waitsFor`) only once a checkpoint has proven that every process has it.
 * - Nothing here decides: see `decision/keeper-step.ts`.
 */
import { EventEmitter } from "node:events";
import { replicationRole } from "@understudy/contracts";
import {
  configurePostgres,
  endOrphanedServer,
  EngineProcess,
  freePorts,
  inspectDataFolder,
  postgresReady,
  preparePostgres,
  promotePostgres,
  Reaper,
  synchronousStandbyNames,
  type EngineExit,
  type PostgresAddress,
  type PostgresOptions,
  type PostgresTls,
  type SynchronousStandbys,
} from "@understudy/engines";
import { OperationalError, pause, type Log } from "@understudy/runtime";
import type { DataFacts, PostgresFacts } from "../decision/facts.ts";
import { observe, type Observation } from "./observation.ts";
import { RedundancyWatch } from "./redundancy-watch.ts";
import { admittedRoles, equipRoles, setPassword, type RolePasswords } from "./roles.ts";
import { keeperPassword, keeperRole, withSession, type Login } from "./sessions.ts";
import { PostgresWatcher } from "./watcher.ts";

export interface InstanceOptions {
  readonly member: string;
  readonly others: readonly string[];
  /** Where each member is reached from here. */
  readonly addresses: Readonly<Record<string, PostgresAddress>>;
  readonly dataDir: string;
  /** Where the own PostgreSQL listens. */
  readonly host: string;
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
  /** Of the superuser, while it is being replaced. */
  readonly formerPasswords: readonly string[];
  readonly database: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Where given, only these roles are let in beside the keepers', and no superuser from outside. */
  readonly roles?: RolePasswords | undefined;
  /** Where given, instances, keepers and clients speak TLS only. */
  readonly tls?: PostgresTls | undefined;
}

interface InstanceEvents {
  /** Something in `facts` changed. */
  change: [];
  exit: [exit: EngineExit, wasPrimary: boolean];
}

export const nobody: SynchronousStandbys = { count: 0, standbys: [] };
// Answers to those who try while it starts, every 20 ms among them its keeper, tell nothing.
const isRefusalAtStart =
  /the database system is (starting up|not yet accepting)|recovery state has not been yet reached/;
const isLogGone = /requested WAL segment \S+ has already been removed/;
const fastStopMs = 8_000;
const proofMs = 5_000;
const stopReceivingMs = 900;
// Adopted data may have a crash behind it.
const initialiseMs = 600_000;

interface Life {
  readonly process: EngineProcess;
  readonly watcher: PostgresWatcher;
  readonly redundancy: RedundancyWatch;
  role: "primary" | "standby";
  access: "open" | "closed";
  waitsFor: SynchronousStandbys;
  upstream: string | undefined;
  systemIdentifier: string;
  timeline: number;
  recoveredTo: bigint | undefined;
  joinPosition: bigint | undefined;
  isPromoting: boolean;
  isStopping: boolean;
  isAnswering: boolean;
  streamedAt: number;
  lookedAt: number;
}

export class PostgresInstance extends EventEmitter<InstanceEvents> {
  readonly #reaper = new Reaper();
  #life: Life | undefined;
  #end: "none" | "ordered" | "crash" = "none";
  #streamingAtEnd: readonly string[] = [];
  #failedStarts = 0;
  #isPrepared = false;
  /** Whether the roles have the passwords that this process was given. */
  #isEquipped = false;
  /** Highest timeline seen of its data. */
  #timeline = 0;

  constructor(
    private readonly options: InstanceOptions,
    private readonly log: Log,
  ) {
    super();
  }

  get pid(): number | undefined {
    return this.#life?.process.pid;
  }

  /** Where the keeper itself reaches it: a certificate names no wildcard. */
  get #own(): PostgresAddress {
    const { host, port } = this.options;
    return { host: host === "0.0.0.0" || host === "::" || host === "*" ? "127.0.0.1" : host, port };
  }

  get observation(): Observation | undefined {
    return this.#life?.watcher.latest;
  }

  get login(): Login {
    const { password, formerPasswords, tls } = this.options;
    return {
      user: keeperRole,
      password: keeperPassword(password),
      former: formerPasswords.map(keeperPassword),
      authority: tls?.authority,
    };
  }

  /** What lies on the disk. */
  get data(): DataFacts {
    try {
      const folder = inspectDataFolder(this.options.dataDir);
      if (folder === undefined) return { kind: "none" };
      return {
        kind: "present",
        systemIdentifier: folder.systemIdentifier,
        timeline: Math.max(folder.newestTimeline, this.#life === undefined ? 0 : this.#timeline),
        isStandby: folder.isStandby,
        isCleanlyShutDown: folder.state === "shut-down",
        checkpointAt: folder.checkpointAt,
      };
    } catch (error) {
      return { kind: "damaged", reason: (error as Error).message };
    }
  }

  get facts(): PostgresFacts {
    const life = this.#life;
    if (life === undefined)
      return {
        kind: "stopped",
        end: this.#end,
        streamingAtEnd: this.#streamingAtEnd,
        failedStarts: this.#failedStarts,
      };
    if (!life.isAnswering) return { kind: "starting", role: life.role };
    return {
      kind: "running",
      role: life.role,
      isPromoting: life.isPromoting,
      timeline: life.timeline,
      systemIdentifier: life.systemIdentifier,
      unansweredMs: life.watcher.unansweredMs,
      access: life.access,
      waitsFor: life.waitsFor,
      recoveredTo: life.recoveredTo ?? 0n,
      standbys: life.redundancy.standbys,
      missingMs: life.redundancy.missingMs,
      joinPosition: life.joinPosition,
      upstream: life.upstream,
      notStreamingMs: life.role === "standby" ? performance.now() - life.streamedAt : 0,
    };
  }

  #postgresOptions(life: Pick<Life, "access" | "waitsFor" | "upstream">): PostgresOptions {
    const { member, dataDir, host, port, superuser, password, database, addresses, settings, roles, tls } =
      this.options;
    const upstream = life.upstream === undefined ? undefined : addresses[life.upstream];
    return {
      name: member,
      dataDir,
      host,
      port,
      superuser,
      password,
      database,
      settings,
      ...(tls && { tls }),
      replication: {
        user: this.login.user,
        password: this.login.password,
        ...(roles && {
          streaming: { user: replicationRole, password: roles.replication },
          admits: admittedRoles(database),
        }),
        access: life.access,
        ...(life.waitsFor.standbys.length > 0 && { synchronous: life.waitsFor }),
        ...(upstream && { upstream }),
      },
    };
  }

  /**
   * Makes a new database where there is no data, and in it, or in data that is adopted, the keepers' role and the
   * database. It runs for that on a port that nobody knows, and is stopped again.
   */
  async initialise(): Promise<void> {
    const { member, superuser, password, database } = this.options;
    const host = "127.0.0.1";
    const [port = 0] = await freePorts(1);
    const closed = this.#postgresOptions({ access: "open", waitsFor: nobody, upstream: undefined });
    // The superuser gets in here, where nobody else knows the port.
    const options = { ...closed, replication: { user: this.login.user, password: this.login.password }, host, port };
    const process = EngineProcess.start(member, await preparePostgres(options), {
      stopSignal: "SIGINT",
      reaper: this.#reaper,
    });
    try {
      await process.ready((signal) => postgresReady(options, signal), initialiseMs);
      await withSession(
        { host, port },
        { user: superuser, password, former: this.options.formerPasswords, database, authority: this.login.authority },
        proofMs,
        async (client) => {
          const { rowCount } = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [keeperRole]);
          const secret = client.escapeLiteral(this.login.password);
          const verb = rowCount === 0 ? "CREATE" : "ALTER";
          await client.query(`${verb} ROLE ${keeperRole} LOGIN SUPERUSER REPLICATION PASSWORD ${secret}`);
          if (this.options.roles) await equipRoles(client, database, this.options.roles);
        },
      );
      this.#isEquipped = true;
      this.#isPrepared = true;
    } finally {
      await process.stop();
    }
  }

  /** D4: what an earlier life of this keeper left running, because its reaper died with it, must not go on. */
  async endFormer(): Promise<void> {
    const pid = await endOrphanedServer(this.options.dataDir);
    if (pid !== undefined) this.log.warn({ pid }, "ended a PostgreSQL that an earlier life of this keeper had left");
  }

  get isPrepared(): boolean {
    return this.#isPrepared;
  }

  startPrimary(access: "open" | "closed", waitsFor: SynchronousStandbys): Promise<void> {
    return this.#launch("primary", { access, waitsFor, upstream: undefined });
  }

  startStandby(upstream: string | undefined, waitsFor: SynchronousStandbys): Promise<void> {
    return this.#launch("standby", { access: "open", waitsFor, upstream });
  }

  async #launch(role: Life["role"], configuration: Pick<Life, "access" | "waitsFor" | "upstream">): Promise<void> {
    if (this.#life !== undefined) throw new Error(`${this.options.member} runs already.`);
    const { member, others } = this.options;
    await this.endFormer();
    const spec = await preparePostgres(this.#postgresOptions(configuration));
    const folder = inspectDataFolder(this.options.dataDir);
    if (folder === undefined) throw new Error(`${this.options.dataDir} holds no data.`);
    const process = EngineProcess.start(member, spec, {
      stopSignal: "SIGINT",
      stopTimeoutMs: fastStopMs,
      reaper: this.#reaper,
      onLine: (line) => {
        this.log[isRefusalAtStart.test(line) ? "trace" : "info"]({ postgres: member }, line);
        // Rewound data needs its primary's log to become consistent. It would wait for ever: a start that failed.
        if (life.role === "standby" && !life.isAnswering && isLogGone.test(line)) void life.process.kill();
      },
    });
    const { pid } = process;
    this.#timeline = folder.newestTimeline;
    const watcher = new PostgresWatcher(this.#own, this.login, (seen) => this.#looked(life, seen), this.log);
    const life: Life = {
      process,
      watcher,
      redundancy: new RedundancyWatch(others),
      role,
      ...configuration,
      systemIdentifier: folder.systemIdentifier,
      timeline: folder.newestTimeline,
      recoveredTo: undefined,
      joinPosition: undefined,
      isPromoting: false,
      isStopping: false,
      isAnswering: false,
      streamedAt: performance.now(),
      lookedAt: performance.now(),
    };
    this.#life = life;
    watcher.start();
    void process.exited.then((exit) => this.#exited(life, exit));
    this.log.info({ role, pid, ...configuration }, "PostgreSQL starts");
    this.emit("change");
  }

  #exited(life: Life, exit: EngineExit): void {
    life.watcher.stop();
    if (this.#life !== life) return;
    this.#life = undefined;
    const wasPrimary = life.role === "primary" && life.isAnswering;
    this.#end = exit.code === 0 ? "ordered" : "crash";
    this.#streamingAtEnd = wasPrimary
      ? life.redundancy.standbys.filter(({ isStreaming }) => isStreaming).map(({ member }) => member)
      : [];
    this.#failedStarts = life.isAnswering ? 0 : this.#failedStarts + 1;
    this.log[life.isStopping ? "info" : "warn"](
      { ...exit, role: life.role, ...(!life.isAnswering && { tail: life.process.tail }) },
      "PostgreSQL ended",
    );
    this.emit("exit", exit, wasPrimary);
    this.emit("change");
  }

  #looked(life: Life, seen: Observation): void {
    if (this.#life !== life) return;
    const now = performance.now();
    life.isAnswering = true;
    life.lookedAt = now;
    life.role = seen.role;
    if (seen.timeline > 0) life.timeline = seen.timeline;
    this.#timeline = Math.max(this.#timeline, life.timeline);
    if (seen.role === "primary") {
      void this.#equip();
      life.isPromoting = false;
      life.upstream = undefined;
      if (life.recoveredTo === undefined) {
        life.recoveredTo = seen.position;
        // What it was started with is in force from its first moment.
        life.joinPosition = seen.position;
      }
      life.redundancy.look(seen.standbys, now);
    } else if (seen.isReceiving) {
      life.streamedAt = now;
    }
    this.emit("change");
  }

  /** Passwords may have been replaced while this process was away. */
  async #equip(): Promise<void> {
    const { database, roles, superuser, password, formerPasswords } = this.options;
    if (this.#isEquipped || (roles === undefined && formerPasswords.length === 0)) return;
    this.#isEquipped = true;
    try {
      await withSession(this.#own, { ...this.login, database }, proofMs, async (client) => {
        if (roles) await equipRoles(client, database, roles);
        // Last, for those who know only the former ones: their time is over with this.
        if (formerPasswords.length > 0) {
          await setPassword(client, superuser, password);
          await setPassword(client, keeperRole, this.login.password);
          this.log.info("the superusers' passwords are replaced");
        }
      });
    } catch (error) {
      this.#isEquipped = false;
      this.log.debug({ reason: (error as Error).message }, "the roles wait for their passwords");
    }
  }

  /** At once and whole; resolves when nothing of it is left. */
  async kill(): Promise<void> {
    await this.#life?.process.kill();
  }

  /** In order: ends sessions, lets its standbys have everything. Killed when that takes longer than 8 s. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    life.isStopping = true;
    await life.process.stop();
  }

  hurry(isUrgent: boolean): void {
    this.#life?.watcher.hurry(isUrgent);
  }

  /** Standby: its upstream, when something came from there within `withinMs`. */
  heardFrom(withinMs: number): string | undefined {
    const life = this.#life;
    const { latest } = life?.watcher ?? {};
    if (life === undefined || latest?.isReceiving !== true || latest.heardMs === undefined) return undefined;
    const ageMs = latest.heardMs + performance.now() - life.lookedAt;
    return ageMs < withinMs ? life.upstream : undefined;
  }

  /** Resolves when it takes writes, or has ended. */
  async promote(): Promise<void> {
    const life = this.#life;
    const { pid } = life?.process ?? {};
    if (life === undefined || pid === undefined) return;
    life.isPromoting = true;
    const over = new AbortController();
    void life.process.exited.then(() => over.abort());
    promotePostgres(this.options.dataDir, pid);
    await life.watcher.untilPrimary(over.signal);
    if (this.#life !== life) return;
    life.role = "primary";
    life.upstream = undefined;
    // Its next start, and each reload until then, is that of a primary.
    configurePostgres(this.#postgresOptions(life));
  }

  follow(upstream: string): void {
    this.#reconfigure({ upstream });
    const life = this.#life;
    if (life) life.streamedAt = performance.now();
  }

  /**
   * Ends what it receives as a standby, until `follow`. Resolves to how far it has come then: nothing more is added.
   * @throws OperationalError `unavailable` when that cannot be told.
   */
  async stopReceiving(): Promise<string> {
    this.#reconfigure({ upstream: undefined });
    const life = this.#life;
    const deadline = performance.now() + stopReceivingMs;
    return withSession(this.#own, this.login, 2 * stopReceivingMs, async (client) => {
      for (;;) {
        if (this.#life !== life || life?.isPromoting === true || life?.role === "primary")
          throw new OperationalError("unavailable", `${this.options.member} is no standby any more.`);
        // Nobody receives any more; and what lay on the disk from an earlier life is replayed once it waits for more.
        const { rows } = await client.query<{ furthest: string | null }>(
          `SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text AS furthest
           WHERE NOT EXISTS (SELECT FROM pg_stat_wal_receiver)
             AND EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
               AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream'))`,
        );
        const furthest = rows[0]?.furthest;
        if (furthest != null) return furthest;
        if (performance.now() > deadline)
          throw new OperationalError("timeout", `${this.options.member} does not stop receiving.`);
        await pause(5);
      }
    });
  }

  openClients(): void {
    this.#reconfigure({ access: "open" });
    this.emit("change");
  }

  #reconfigure(change: Partial<Pick<Life, "access" | "waitsFor" | "upstream">>): void {
    const life = this.#life;
    const { pid } = life?.process ?? {};
    if (life === undefined || pid === undefined) return;
    configurePostgres(this.#postgresOptions({ ...life, ...change }));
    process.kill(pid, "SIGHUP");
    Object.assign(life, change);
  }

  /**
   * Makes commits wait for these. Resolves when that is in force: fewer at once, others once proven.
   * @throws OperationalError when it cannot be proven in time.
   */
  async setWaits(waitsFor: SynchronousStandbys): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    const before = life.waitsFor;
    const isFewer =
      before.count === before.standbys.length &&
      waitsFor.count === waitsFor.standbys.length &&
      waitsFor.standbys.every((member) => before.standbys.includes(member));
    this.#reconfigure({ waitsFor });
    if (isFewer) {
      this.emit("change");
      return;
    }
    // Not a fact before it is proven.
    life.waitsFor = before;
    const position = await this.#proven(waitsFor);
    if (this.#life !== life) return;
    life.waitsFor = waitsFor;
    life.joinPosition = position;
    this.emit("change");
  }

  /**
   * When `waitsFor` is in force for every commit: a new connection shows it only after the postmaster has told all its
   * processes, and commits look at a flag that the checkpointer sets, which has read its configuration before a
   * checkpoint that is asked for afterwards. Answers a position taken then (D2).
   */
  async #proven(waitsFor: SynchronousStandbys): Promise<bigint> {
    const wanted = synchronousStandbyNames(waitsFor);
    const deadline = performance.now() + proofMs;
    for (;;) {
      const position = await withSession(this.#own, this.login, 60_000, async (client) => {
        const { rows } = await client.query<{ names: string }>(
          "SELECT current_setting('synchronous_standby_names') AS names",
        );
        if (rows[0]?.names !== wanted) return undefined;
        await client.query("CHECKPOINT");
        return (await observe(client)).position;
      });
      if (position !== undefined) return position;
      if (performance.now() > deadline)
        throw new OperationalError("timeout", `PostgreSQL does not take ${wanted} as synchronous_standby_names.`);
      await pause(10);
    }
  }

  /** Writes all dirty pages now, and what clients dirty meanwhile, so that the stop that follows is short. */
  async checkpoint(timeoutMs: number): Promise<void> {
    await withSession(this.#own, this.login, timeoutMs, async (client) => {
      await client.query("CHECKPOINT");
      await client.query("CHECKPOINT");
    });
  }
}
