/**
 * The keeper as a part of the service: makes its parts, starts and stops them, and listens to the supervisor.
 */
import type { OnApplicationBootstrap } from "@nestjs/common";
import { confirmStopped, databaseRole, supervisorMessage } from "@understudy/contracts";
import {
  HolderProbe,
  isHeldBy,
  keepLeaseElsewhere,
  NatsLeaseStore,
  standardTiming,
  type LeaseStore,
} from "@understudy/leadership";
import { call, OperationalError, pause, type ServiceContext } from "@understudy/runtime";
import { KeeperRequests } from "../control/requests.ts";
import { postgresTls, rolePasswords, type DbKeeperConfiguration } from "../db-keeper.config.ts";
import { standardKeeperTiming } from "../decision/facts.ts";
import { PostgresInstance } from "../postgres/instance.ts";
import { Announcer, type EngineState } from "../telling/announcer.ts";
import { Chronicle } from "../telling/chronicle.ts";
import { describeKeeper } from "../telling/describe.ts";
import { Exits } from "../telling/exits.ts";
import { DatabaseHistoryLog } from "../telling/history-log.ts";
import { registerMetrics } from "../telling/metrics.ts";
import { Peers } from "../telling/peers.ts";
import { CloneJob } from "./clone-job.ts";
import { Confirmations } from "./confirmations.ts";
import { Keeper } from "./keeper.ts";

// A node that comes back leaves the stream where it fled to, until somebody looks: the next fault may come soon.
const placementEveryMs = 1_000;
const confirmationMs = 1_000;

export class ManagedKeeper implements OnApplicationBootstrap {
  readonly #keeper: Keeper;
  readonly #instance: PostgresInstance;
  readonly #clone: CloneJob;
  readonly #peers: Peers;
  readonly #announcer: Announcer;
  readonly #history: DatabaseHistoryLog;
  readonly #requests: KeeperRequests;
  readonly #exits: Exits;
  readonly #probe: HolderProbe;
  #isHeld = false;
  #isClusterStopping = false;

  /** Waits for JetStream: without the lease's store there is nothing to decide. */
  static async create(context: ServiceContext<DbKeeperConfiguration>): Promise<ManagedKeeper> {
    const { configuration, nats, log, shutdown } = context;
    const role = databaseRole(configuration.UNDERSTUDY_DATABASE);
    const replicas = configuration.UNDERSTUDY_NATS_SERVERS.length >= 3 ? 3 : 1;
    const { swapTimeoutMs } = standardTiming;
    const store = await NatsLeaseStore.open(nats.main, { role, replicas, swapTimeoutMs }, log, shutdown.signal);
    return new ManagedKeeper(context, role, replicas, store);
  }

  private constructor(
    private readonly context: ServiceContext<DbKeeperConfiguration>,
    private readonly role: string,
    replicas: number,
    store: LeaseStore,
  ) {
    const { configuration, identity, log, nats } = context;
    const database = configuration.UNDERSTUDY_DATABASE;
    const member = configuration.UNDERSTUDY_MEMBER;
    const members = configuration.UNDERSTUDY_MEMBERS;
    const dataDir = configuration.UNDERSTUDY_POSTGRES_DATA_DIR;
    const [password = "", ...former] = configuration.UNDERSTUDY_DATABASE_PASSWORD_FILE;
    this.#instance = new PostgresInstance(
      {
        member,
        others: Object.keys(members).filter((other) => other !== member),
        addresses: members,
        dataDir,
        host: configuration.UNDERSTUDY_POSTGRES_HOST,
        port: configuration.UNDERSTUDY_POSTGRES_PORT ?? members[member]?.port ?? 5_432,
        superuser: configuration.UNDERSTUDY_POSTGRES_SUPERUSER,
        password,
        formerPasswords: former,
        database,
        settings: configuration.UNDERSTUDY_POSTGRES_SETTINGS,
        roles: rolePasswords(configuration),
        tls: postgresTls(configuration),
      },
      log,
    );
    this.#clone = new CloneJob({ member, dataDir, login: this.#instance.login }, () => this.#keeper.wake(), log);
    this.#peers = new Peers(nats, database, member, () => this.#keeper.elector.reconsider(), log);
    const confirmations = new Confirmations({
      member,
      path: `${dataDir}.promise`,
      instance: this.#instance,
      log,
      ask: async (other, revision) => {
        const id = this.#peers.keeperOf(other);
        if (id === undefined) throw new OperationalError("unavailable", `Nothing was heard of the keeper of ${other}.`);
        return call(nats.main, confirmStopped, { database, revision }, { id, timeoutMs: confirmationMs });
      },
    });
    this.#announcer = new Announcer(
      nats,
      () => this.#description,
      () => ({ id: member, pid: this.#instance.pid, state: this.#engineState }),
    );
    this.#history = new DatabaseHistoryLog(nats, replicas, log);
    this.#exits = new Exits(nats, (incarnation, hints) => this.#keeper.accuse(incarnation, hints), log);
    const chronicle = new Chronicle(identity, this.#announcer, this.#history, {
      lastAliveAt: () => this.#probe.lastAnswerAt,
      exitOf: (incarnation) => this.#exits.of(incarnation),
      downSince: (other) => this.#peers.downSince(other),
    });
    this.#keeper = new Keeper({
      database,
      member,
      members,
      policy: configuration.UNDERSTUDY_DATABASE_POLICY,
      synchronousMost: configuration.UNDERSTUDY_DATABASE_SYNCHRONOUS,
      timing: {
        ...standardKeeperTiming,
        standbyLostMs: configuration.UNDERSTUDY_STANDBY_LOST_MS,
        frozenMs: configuration.UNDERSTUDY_POSTGRES_FROZEN_MS,
      },
      identity,
      log,
      store,
      role,
      instance: this.#instance,
      clone: this.#clone,
      confirmations,
      peers: this.#peers,
      chronicle,
      isReachable: () => nats.lifelines.some(({ connected }) => connected),
    });
    const { elector } = this.#keeper;
    this.#probe = new HolderProbe({
      nats,
      observer: identity.id,
      log,
      holder: () => {
        const { seen } = elector;
        return seen === undefined || seen.lease.status === "released" || isHeldBy(seen, identity.ref)
          ? undefined
          : seen.lease.holder;
      },
      onHint: (incarnation, hints) => this.#keeper.accuse(incarnation, hints),
      onAlive: (incarnation) => this.#keeper.acquit(incarnation),
    });
    this.#requests = new KeeperRequests(nats, { database, keeperId: identity.id }, this.#keeper, chronicle, log);
  }

  get #description() {
    const { identity, configuration } = this.context;
    const postgres = this.#instance.facts;
    return describeKeeper({
      identity,
      database: configuration.UNDERSTUDY_DATABASE,
      member: configuration.UNDERSTUDY_MEMBER,
      term: this.#keeper.term,
      postgres,
      data: postgres.kind === "running" ? { kind: "none" } : this.#instance.data,
      seen: this.#instance.observation,
      isCloning: this.#clone.from !== undefined,
      cloning: this.#clone.progress,
      isInitialising: this.#keeper.why === "initialise",
      why: this.#clone.note ?? this.#keeper.why,
    });
  }

  get #engineState(): EngineState {
    const { kind } = this.#instance.facts;
    if (kind === "running") return "running";
    if (kind === "starting" || this.#clone.from !== undefined) return "starting";
    return this.#isHeld ? "stopped" : "waiting";
  }

  onApplicationBootstrap(): void {
    const { shutdown, readiness, configuration } = this.context;
    const { UNDERSTUDY_DATABASE: database, UNDERSTUDY_MEMBER: member } = configuration;
    registerMetrics(
      database,
      member,
      () => this.#description,
      () => this.#keeper.entry,
    );
    readiness.set("postgres", false, "not running yet");
    this.#instance.on("change", () => {
      this.#tellReadiness();
      this.#announcer.changed();
    });
    // Who is in sync stands there.
    this.#keeper.elector.on("lease", () => this.#tellReadiness());
    process.on("message", this.#hear);
    shutdown.on("hand-over", "database", async () => {
      this.#requests.stop();
      await this.#keeper.stop(this.#isClusterStopping);
      this.#announcer.stop();
      this.#probe.stop();
      this.#peers.stop();
      await this.#history.stop();
      process.off("message", this.#hear);
    });
    this.#peers.start();
    this.#exits.start();
    this.#announcer.start();
    this.#probe.start();
    this.#requests.start();
    this.#keeper.start();
    void this.#keepLeaseElsewhere(shutdown.signal);
  }

  /** Ready: clients are served, or would be at once after a takeover. What is renewed in turn waits for this. */
  #tellReadiness(): void {
    const { facts } = this.#instance;
    const { UNDERSTUDY_MEMBER: member } = this.context.configuration;
    const isOpen = facts.kind === "running" && facts.access === "open";
    const isReady = isOpen && (facts.role === "primary" || this.#keeper.entry?.inSync.includes(member) === true);
    const why = isOpen ? "a standby that is not in sync" : this.#keeper.why;
    this.context.readiness.set("postgres", isReady, isReady ? "" : why);
  }

  readonly #hear = (message: unknown): void => {
    const known = supervisorMessage.safeParse(message);
    if (!known.success) return;
    if (known.data.type === "cluster-stops") this.#isClusterStopping = true;
    if (known.data.type !== "engine" || known.data.id !== this.context.configuration.UNDERSTUDY_MEMBER) return;
    this.#isHeld = known.data.wish === "hold";
    this.#keeper.hold(this.#isHeld);
    this.#announcer.changed();
  };

  /** L6, while this keeper holds the lease. */
  async #keepLeaseElsewhere(signal: AbortSignal): Promise<void> {
    const { UNDERSTUDY_NATS_NODE: ownNode, UNDERSTUDY_NATS_NODES_OF_MEMBERS: ofMembers } = this.context.configuration;
    if (ownNode === undefined) return;
    const { elector } = this.#keeper;
    const move = async (): Promise<void> => {
      if (elector.leading === undefined) return;
      await keepLeaseElsewhere(this.context.nats.main, this.role, ownNode, ofMembers).catch((error: Error) =>
        this.context.log.debug({ reason: error.message }, "the lease's stream was not moved"),
      );
    };
    elector.on("lead", () => void move());
    while (!signal.aborted) {
      await move();
      await pause(placementEveryMs, signal);
    }
  }
}
