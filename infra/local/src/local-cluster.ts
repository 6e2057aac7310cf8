/**
 * The whole cluster on this computer: for `npm start` (main.ts), for integration tests and measurements.
 *
 * It owns the state folder while it lives and puts the parts together: what is planned (plan.ts) is started and kept
 * running (supervisor.ts); who dies is reported (evidence-reporter.ts); the one URL is served (front-door.ts);
 * operators and scripts have their way in (control-server.ts, run-file.ts).
 *
 *   open() ──► start() ──► whenReady() ──► stop() or killAll()
 *
 * Invariants:
 * - Each child is told to the reaper and written to the ledger as soon as it lives: whatever becomes of this process,
 *   the reaper ends its children at once, and the next start looks once more.
 * - run.json is written at each change, before anybody is told of it.
 */
import { EventEmitter } from "node:events";
import {
  inboxOf,
  ownerRole,
  serviceKind,
  type ControlAction,
  type ControlReply,
  type NatsUser,
  type RunFile,
} from "@understudy/contracts";
import { freePorts, natsServerBinary, postgresBinaries, Reaper } from "@understudy/engines";
import type { DatabaseSettings } from "@understudy/runtime";
import { CallerError, OperationalError } from "@understudy/runtime/errors";
import type { NatsLogin } from "@understudy/runtime/nats-login";
import { pause } from "@understudy/runtime/wait";
import { natsUsersOf, SecretsError, setUpSecrets, type KeptSecrets } from "@understudy/secrets";
import { ClusterControl } from "./control.ts";
import { ControlServer } from "./control-server.ts";
import { EvidenceReporter } from "./evidence-reporter.ts";
import { FrontDoor, type DoorBalancer } from "./front-door.ts";
import { checkLayout, processId, standardLayout, type Layout } from "./layout.ts";
import { MachineCuts } from "./machine-cuts.ts";
import { host, planCluster, portsNeeded, type ClusterPlan } from "./plan.ts";
import { networkId, programsOf } from "./programs.ts";
import { allRun, answers } from "./readiness.ts";
import { standardRestartPolicy, type RestartPolicy } from "./restart-policy.ts";
import { databaseUrl, databaseUrls, describeRun, RunFileWriter } from "./run-file.ts";
import { StateFolder } from "./state-folder.ts";
import type { ProcessState, Supervised } from "./supervised.ts";
import { Supervisor, type ProcessExit } from "./supervisor.ts";
import { SupervisorClaim } from "./supervisor-claim.ts";

export interface LocalClusterOptions {
  /** Data, logs, passwords, run.json. One cluster at a time. */
  readonly stateDir: string;
  /** Remove the data of former runs first. */
  readonly fresh?: boolean;
  /** Of the one URL; the next free one when it is taken. 0: any. */
  readonly port?: number;
  /** What runs where; the three machines of docs/architecture.md where not given. */
  readonly layout?: Layout;
  readonly orderEntryScale?: number;
  /** NATS and PostgreSQL speak TLS, as in containers. Not by default: all connections are this computer's own. */
  readonly isEncrypted?: boolean;
  readonly restart?: RestartPolicy;
  /** How long a process may take to drain before it is killed. */
  readonly stopTimeoutMs?: number;
  readonly logLevel?: string;
}

interface ClusterEvents {
  state: [Supervised, ProcessState];
  exit: [Supervised, ProcessExit];
  /** A machine was cut off or connected again. */
  cuts: [];
}

const names = { cluster: "understudy", site: "site-1", database: "understudy" };

export class LocalCluster {
  readonly events = new EventEmitter<ClusterEvents>();
  readonly supervisor: Supervisor;
  readonly #reaper = new Reaper();
  readonly #cuts: MachineCuts;
  readonly #control: ClusterControl;
  readonly #server: ControlServer;
  readonly #door: FrontDoor;
  readonly #reporter: EvidenceReporter;
  readonly #runFile: RunFileWriter;
  readonly #startedAt = new Date();
  #port = 0;
  #stop: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  private constructor(
    readonly folder: StateFolder,
    readonly plan: ClusterPlan,
    private readonly options: LocalClusterOptions,
    private readonly claim: SupervisorClaim,
    private readonly secrets: KeptSecrets,
  ) {
    const programs = programsOf(plan, {
      natsAccess: { users: natsUsersOf(secrets), routePassword: secrets.routePassword },
      restart: options.restart ?? standardRestartPolicy,
      linksStand: (signal) => this.#linksStand(signal),
    });
    this.supervisor = new Supervisor(programs, folder.logs);
    this.#cuts = new MachineCuts(plan.links, (wish) => this.supervisor.process(networkId)?.send(wish) ?? false);
    this.#control = new ClusterControl(this.supervisor, this.#cuts, plan.machines);
    this.#server = new ControlServer(folder.controlSocket, this, { run: () => this.runFile, plan: () => plan });
    const balancers = this.#balancers();
    this.#door = new FrontDoor([...balancers.values()]);
    this.#reporter = new EvidenceReporter(this.natsServers, this.natsLogin("supervisor"), (machine) =>
      this.#cuts.isCut(machine),
    );
    this.#runFile = new RunFileWriter(folder.runFile);
    this.#wire(balancers);
  }

  /** Takes the folder, ends what a dead supervisor left, chooses ports. Starts nothing. */
  static async open(options: LocalClusterOptions): Promise<LocalCluster> {
    const layout = options.layout ?? standardLayout;
    checkLayout(layout);
    requireEngines(layout);
    const folder = new StateFolder(options.stateDir);
    folder.make();
    const claim = SupervisorClaim.take(folder.lock, folder.ledger);
    try {
      if (options.fresh === true) folder.clear();
      folder.claimFormat();
      const secrets = await makeSecrets(folder.secrets, layout);
      const needed = portsNeeded(layout);
      const ports = await freePorts(needed.length);
      const plan = planCluster(
        {
          ...names,
          layout,
          dataDir: folder.data,
          watchedDir: folder.data,
          secretsFolder: folder.secrets,
          isEncrypted: options.isEncrypted ?? false,
          applications: ["@understudy/order-entry"],
          orderEntryScale: options.orderEntryScale ?? 1,
          stopTimeoutMs: options.stopTimeoutMs ?? 10_000,
          logLevel: options.logLevel ?? "info",
        },
        new Map(needed.map((name, index) => [name, ports[index] as number])),
      );
      return new LocalCluster(folder, plan, options, claim, secrets);
    } catch (error) {
      claim.release();
      throw error;
    }
  }

  /** A cluster that is ready. @throws OperationalError when it is not within `readyWithinMs` (60 s). */
  static async start(options: LocalClusterOptions & { readonly readyWithinMs?: number }): Promise<LocalCluster> {
    const cluster = await LocalCluster.open(options);
    try {
      await cluster.start();
      await cluster.whenReady(options.readyWithinMs ?? 60_000);
      return cluster;
    } catch (error) {
      await cluster.killAll();
      throw error;
    }
  }

  /** Starts everything and listens; does not wait until it is ready. */
  async start(): Promise<void> {
    this.#port = await this.#door.start(host, this.options.port ?? 0);
    await this.#server.start();
    // Somebody may have wanted it to end in the meantime.
    if (this.isStopping) {
      this.#door.stop();
      await this.#server.stop();
      return;
    }
    this.#reporter.start();
    this.supervisor.start();
    this.#write();
  }

  /** Resolves when all processes run and, where applications are served, the URL answers. */
  async whenReady(timeoutMs: number): Promise<void> {
    // By hand: AbortSignal.any and AbortSignal.timeout may be collected as garbage before they fire (Node 20).
    const giveUp = new AbortController();
    const abort = () => giveUp.abort();
    const timer = setTimeout(abort, timeoutMs);
    this.#stopping.signal.addEventListener("abort", abort);
    try {
      if (this.isStopping) abort();
      await allRun(this.supervisor, giveUp.signal);
      const serves = (kind: string) => this.plan.services.some((service) => service.kind === kind);
      if (!serves("load-balancer") || !serves("app-server")) return;
      if (await answers(`${this.url}/api/items?limit=1`, giveUp.signal)) return;
      throw new OperationalError("unavailable", `${this.url} does not answer yet; see ${this.folder.logs}.`);
    } finally {
      clearTimeout(timer);
      this.#stopping.signal.removeEventListener("abort", abort);
    }
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Resolves at the next change of a process, when the cluster stops, or after `withinMs`. */
  changed(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.events.off("state", finish);
        this.#stopping.signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, withinMs);
      this.events.on("state", finish);
      this.#stopping.signal.addEventListener("abort", finish);
    });
  }

  /** Stops all in an order that loses nothing, then gives the folder free. */
  stop(): Promise<void> {
    this.#stop ??= this.#end(() => this.supervisor.stop(this.plan.settings.stopTimeoutMs + 2_000));
    return this.#stop;
  }

  /** kill -9 for all, also while `stop` waits. */
  async killAll(): Promise<void> {
    const gone = Promise.all(this.supervisor.processes.map((each) => each.ended()));
    this.supervisor.killAll();
    this.#stop ??= this.#end(() => gone);
    await this.#stop;
  }

  /** kill, start, freeze, thaw, cut, heal. @throws CallerError */
  act(action: ControlAction, target: string, stay: boolean): Promise<ControlReply> {
    return this.#control.act(action, target, stay).finally(() => {
      if (action !== "cut" && action !== "heal") return;
      if (action === "heal") this.#reporter.deliver();
      this.#changed();
      this.events.emit("cuts");
    });
  }

  control(action: ControlAction, target: string, options: { readonly stay?: boolean } = {}): Promise<ControlReply> {
    return this.act(action, target, options.stay ?? false);
  }

  get url(): string {
    return `http://${host}:${this.#port}`;
  }
  get processes(): RunFile["processes"] {
    return this.runFile.processes;
  }
  /** Each node as a client on its own machine reaches it. */
  get natsServers(): readonly { readonly id: string; readonly machine: string; readonly url: string }[] {
    return this.plan.nats.map(({ id, machine, clientPort }) => ({ id, machine, url: `nats://${host}:${clientPort}` }));
  }
  /** With which a user of NATS gets in: an operator, as the command line does. */
  natsLogin(user: NatsUser = "operator"): NatsLogin {
    const { authority } = this;
    return { seed: this.secrets.seed(user).trim(), inboxPrefix: inboxOf(user), ...(authority && { authority }) };
  }
  /** All instances in libpq's form for several hosts, as the schema's owner, with the password. */
  get databaseUrl(): string {
    if (this.plan.postgres.length === 0) throw new OperationalError("unavailable", "This layout has no database.");
    return databaseUrl(this.plan, this.secrets.password("owner").trim());
  }
  /** As an app server on `machine` (the first one, where there is none of that name) has it, through the links. */
  databaseSettings(machine: string, connections: number): DatabaseSettings {
    const { views } = this.plan;
    const url = (views[machine] ?? Object.values(views)[0])?.databaseUrl;
    if (url === undefined) throw new OperationalError("unavailable", "This layout has no database.");
    const password = (role: "owner" | "application") => this.secrets.password(role).trim();
    return {
      url,
      password: password("application"),
      owner: { user: ownerRole, password: password("owner") },
      authority: this.authority,
      connections,
    };
  }
  /** PEM of whom to believe that it is NATS or the database; undefined where they do not speak TLS. */
  get authority(): string | undefined {
    return this.plan.settings.isEncrypted ? this.secrets.authorities : undefined;
  }
  /** Each instance by itself, as the schema's owner, with the password. */
  get databaseInstances(): readonly { readonly id: string; readonly url: string }[] {
    return databaseUrls(this.plan, this.secrets.password("owner").trim());
  }
  get runFile(): RunFile {
    return describeRun({
      plan: this.plan,
      supervisor: this.supervisor,
      url: this.url,
      startedAt: this.#startedAt,
      controlSocket: this.folder.controlSocket,
      isCut: (machine) => this.#cuts.isCut(machine),
      databasePassword: this.secrets.password("owner").trim(),
    });
  }
  /** Ids of processes of a dead supervisor that were still there. */
  get leftovers(): readonly string[] {
    return this.claim.leftovers;
  }

  /** Waits for the network process to run; not for long, since nodes must come up without it too. */
  async #linksStand(signal: AbortSignal): Promise<void> {
    const network = this.supervisor.process(networkId);
    for (let waits = 0; waits < 100 && network?.state.kind !== "running" && !signal.aborted; waits++) {
      await pause(20, signal);
    }
  }

  async #end(stopProcesses: () => Promise<unknown>): Promise<void> {
    this.#stopping.abort();
    this.#door.stop();
    await this.#server.stop();
    await stopProcesses();
    await this.#reporter.stop();
    this.#runFile.remove();
    this.claim.release();
  }

  #balancers(): ReadonlyMap<string, DoorBalancer> {
    const balancers = this.supervisor.processes.filter(({ program }) => program.kind === "load-balancer");
    return new Map(
      balancers.map((process) => [
        process.id,
        {
          id: process.id,
          // The users' cable is the one that a cut pulls, so a balancer on a cut machine gets nobody.
          acceptsConnections: () =>
            process.state.kind === "running" &&
            this.supervisor.facts(process.id).acceptsConnections === true &&
            !this.#cuts.isCut(process.program.machine),
          send: (message, socket) => process.send(message, socket),
        } satisfies DoorBalancer,
      ]),
    );
  }

  #wire(balancers: ReadonlyMap<string, DoorBalancer>): void {
    const { supervisor } = this;
    supervisor.on("spawned", (process, pid) => {
      this.#reaper.watch(pid);
      this.claim.started(process.id, pid);
      if (process.id === networkId) this.#cuts.tell();
    });
    supervisor.on("other", (process, message) => {
      if (process.id === networkId && this.#cuts.onMessage(message)) process.markReady();
    });
    supervisor.on("pong", ({ id }) => {
      const balancer = balancers.get(id);
      if (balancer) this.#door.onPong(balancer);
    });
    supervisor.on("facts", () => this.#changed());
    supervisor.on("state", (process, state) => {
      this.#changed();
      this.events.emit("state", process, state);
    });
    supervisor.on("ended", (process, exit) => {
      this.#report(process, exit);
      if (exit.pid !== undefined) {
        this.#reaper.release(exit.pid);
        this.claim.ended(exit.pid);
      }
      this.events.emit("exit", process, exit);
    });
  }

  /** First of all that happens at an exit: each millisecond counts for those who take over. */
  #report({ id, program }: Supervised, { pid, incarnation, exitCode, signal, at }: ProcessExit): void {
    if (pid === undefined || incarnation === undefined || !serviceKind.safeParse(program.kind).success) return;
    this.#reporter.report({ instance: { id, incarnation }, machine: program.machine, pid, exitCode, signal, at });
  }

  #changed(): void {
    this.#write();
    this.#door.onBalancersChanged();
  }

  #write(): void {
    if (this.#port !== 0) this.#runFile.write(this.runFile);
  }
}

/** @throws CallerError that names what is missing or damaged, and what to do. */
async function makeSecrets(folder: string, layout: Layout): Promise<KeptSecrets> {
  const onMachines = (kind: "nats" | "db-keeper", called: "nats" | "postgres") =>
    layout.filter(({ runs }) => runs.includes(kind)).map(({ id }) => ({ name: processId(called, id), host }));
  try {
    return await setUpSecrets({
      folder,
      plan: {
        cluster: names.cluster,
        nats: onMachines("nats", "nats"),
        postgres: onMachines("db-keeper", "postgres"),
        databases: [names.database],
        edge: ["localhost", host],
      },
    });
  } catch (error) {
    if (error instanceof SecretsError) throw new CallerError("refused", error.message, { cause: error });
    throw error;
  }
}

/** Said once, before anything starts. @throws EngineMissingError */
function requireEngines(layout: Layout): void {
  const runs = (kind: "nats" | "db-keeper") => layout.some((machine) => machine.runs.includes(kind));
  if (runs("nats")) natsServerBinary();
  if (runs("db-keeper")) postgresBinaries();
}
