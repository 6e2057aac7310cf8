/**
 * A small cluster on three machines with networks of their own (Linux, root): NATS on each, message servers on the
 * first two, PostgreSQL and an app server on the third. What happens inside is read from the services' logs.
 */
import { EngineProcess, prepareNatsServer, preparePostgres, type SpawnSpec } from "@understudy/engines";
import { builtMain, eventually, NetworkNamespaces, registered, temporaryFolder } from "@understudy/testkit";
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { createInterface } from "node:readline";

interface LogLine {
  readonly at: number;
  readonly id: string;
  readonly msg: string;
  readonly term?: number;
  readonly leader?: string;
}

const ports = { client: 4222, route: 6222, monitor: 8222, postgres: 5432 };
const credentials = { user: "understudy", password: "not-a-secret" };
const letters = ["a", "b", "c"] as const;

export class NamespacedCluster {
  readonly log: LogLine[] = [];
  readonly #machines = NetworkNamespaces.create(letters.length);
  readonly #folder = temporaryFolder("bench-namespaces");
  readonly #engines: EngineProcess[] = [];
  readonly #services: ChildProcess[] = [];
  readonly #passwordFile: string;

  private constructor() {
    // PostgreSQL runs as another user and must get through.
    chmodSync(this.#folder.path, 0o755);
    this.#passwordFile = join(this.#folder.path, "password");
    writeFileSync(this.#passwordFile, credentials.password, { mode: 0o600 });
  }

  static async start(): Promise<NamespacedCluster> {
    const cluster = new NamespacedCluster();
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    for (const [index, letter] of letters.entries()) {
      this.#engine(
        `nats-${letter}`,
        index,
        prepareNatsServer({
          name: `nats-${letter}`,
          cluster: "bench",
          dataDir: join(this.#folder.path, `nats-${letter}`),
          host: this.#machines.address(index),
          clientPort: ports.client,
          routePort: ports.route,
          monitorPort: ports.monitor,
          routes: letters.flatMap((_, other) =>
            other === index ? [] : [`nats://${this.#machines.address(other)}:${ports.route}`],
          ),
          ...credentials,
        }),
      );
    }
    const database = {
      name: "postgres-c",
      dataDir: join(this.#folder.path, "postgres"),
      host: this.#machines.address(2),
      port: ports.postgres,
      password: credentials.password,
      database: "postgres",
    };
    this.#engine("postgres-c", 2, await preparePostgres(database));
    this.#service("message-server", 0, { UNDERSTUDY_NATS_NODE: "nats-a" });
    this.#service("message-server", 1, { UNDERSTUDY_NATS_NODE: "nats-b" });
    this.#service("app-server", 2, { UNDERSTUDY_APPLICATIONS: "@understudy/order-entry" });
    await eventually(() => this.log.some(({ msg }) => msg === "serving"), {
      withinMs: 60_000,
      describe: "the app server serves",
    });
  }

  #engine(name: string, machine: number, spec: SpawnSpec): void {
    this.#engines.push(registered(EngineProcess.start(name, this.#machines.inside(machine, spec))));
  }

  #service(kind: "message-server" | "app-server", machine: number, own: Readonly<Record<string, string>>): void {
    const turned = [...letters.keys()].map((index) => this.#machines.address((index + machine) % letters.length));
    const { command, args, env, cwd } = this.#machines.inside(machine, {
      command: process.execPath,
      args: [builtMain(`@understudy/${kind}`)],
      cwd: process.cwd(),
      env: {
        UNDERSTUDY_ID: `${kind}-${letters[machine] ?? machine}`,
        UNDERSTUDY_MACHINE: `machine-${letters[machine] ?? machine}`,
        UNDERSTUDY_NATS_SERVERS: turned.map((address) => `nats://${address}:${ports.client}`).join(","),
        UNDERSTUDY_NATS_USER: credentials.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.#passwordFile,
        UNDERSTUDY_DATABASE_URL: `postgres://postgres@${this.#machines.address(2)}:${ports.postgres}/postgres`,
        UNDERSTUDY_DATABASE_PASSWORD_FILE: this.#passwordFile,
        UNDERSTUDY_LOG_FORMAT: "json",
        ...own,
      },
    });
    const child = spawn(command, [...args], { env, cwd, stdio: ["ignore", "pipe", "inherit"] });
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
      child.once("exit", (code, signal) => resolve({ code, signal })),
    );
    registered({ pid: child.pid, exited });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { time, id, msg, term, leader } = JSON.parse(line) as {
        time: string;
        id: string;
        msg: string;
        term?: number;
        leader?: string;
      };
      this.log.push({
        at: Date.parse(time),
        id,
        msg,
        ...(term !== undefined && { term }),
        ...(leader !== undefined && { leader }),
      });
    });
    this.#services.push(child);
  }

  /** The message server that led last, and its term, as the log tells. */
  get leader(): { readonly id: string; readonly term: number } {
    const line = this.log.findLast(({ msg }) => msg === "leading");
    if (line?.term === undefined) throw new Error("nobody has led yet");
    return { id: line.id, term: line.term };
  }

  /** When the app server first followed a term after `term`. */
  async followedAfter(term: number): Promise<number> {
    const line = await eventually(
      () =>
        this.log.find(
          ({ id, msg, term: seen }) =>
            id.startsWith("app-server") && msg === "follows a new leader" && (seen ?? 0) > term,
        ),
      { withinMs: 60_000, describe: `the app server follows a term after ${term}` },
    );
    return line.at;
  }

  silence(id: string): void {
    this.#machines.isolate(letters.findIndex((letter) => id.endsWith(`-${letter}`)));
  }

  heal(): void {
    this.#machines.heal();
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#services
        .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
        .map(async (child) => {
          const gone = once(child, "exit");
          child.kill("SIGKILL");
          await gone;
        }),
    );
    await Promise.all(this.#engines.map((engine) => engine.kill()));
    this.#machines.remove();
    this.#folder.remove();
  }
}
