/**
 * Machines with networks of their own (Linux, root), a NATS node on each; services and engines are started inside.
 * What happens there is read from the services' logs.
 */
import { EngineProcess, prepareNatsServer, type SpawnSpec } from "@understudy/engines";
import { builtMain, NetworkNamespaces, registered, temporaryFolder } from "@understudy/testkit";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface LogLine {
  readonly at: number;
  readonly id: string;
  readonly msg: string;
  readonly term?: number;
  readonly leader?: string;
  /** Of a history entry. */
  readonly event?: string;
}

export const ports = { client: 4222, route: 6222, monitor: 8222, postgres: 5432 };
export const credentials = { user: "understudy", password: "not-a-secret" };
export const letters = ["a", "b", "c"] as const;

export class NamespacedMachines {
  readonly log: LogLine[] = [];
  readonly network = NetworkNamespaces.create(letters.length);
  readonly #folder = temporaryFolder("bench-namespaces");
  readonly #engines: EngineProcess[] = [];
  readonly #services: ChildProcess[] = [];
  readonly passwordFile: string;

  constructor() {
    // PostgreSQL runs as another user and must get through.
    chmodSync(this.#folder.path, 0o755);
    this.passwordFile = join(this.#folder.path, "password");
    writeFileSync(this.passwordFile, credentials.password, { mode: 0o600 });
  }

  folder(name: string): string {
    return join(this.#folder.path, name);
  }

  startNats(): void {
    for (const [index, letter] of letters.entries()) {
      this.engine(
        `nats-${letter}`,
        index,
        prepareNatsServer({
          name: `nats-${letter}`,
          cluster: "bench",
          dataDir: this.folder(`nats-${letter}`),
          host: this.network.address(index),
          clientPort: ports.client,
          routePort: ports.route,
          monitorPort: ports.monitor,
          routes: letters.flatMap((_, other) =>
            other === index ? [] : [`nats://${this.network.address(other)}:${ports.route}`],
          ),
          ...credentials,
        }),
      );
    }
  }

  engine(name: string, machine: number, spec: SpawnSpec): void {
    this.#engines.push(registered(EngineProcess.start(name, this.network.inside(machine, spec))));
  }

  /** A Node process inside a machine; its lines of output go to `onLine`. */
  node(machine: number, script: string, env: Readonly<Record<string, string>>, onLine: (line: string) => void) {
    const spec = this.network.inside(machine, {
      command: process.execPath,
      args: [script],
      cwd: process.cwd(),
      env,
    });
    const child = spawn(spec.command, [...spec.args], {
      env: spec.env,
      cwd: spec.cwd,
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
      child.once("exit", (code, signal) => resolve({ code, signal })),
    );
    registered({ pid: child.pid, exited });
    createInterface({ input: child.stdout }).on("line", onLine);
    this.#services.push(child);
    return child;
  }

  /** One of our services; its log goes to `log`. */
  service(kind: "message-server" | "app-server" | "db-keeper", machine: number, own: Readonly<Record<string, string>>) {
    const turned = [...letters.keys()].map((index) => this.network.address((index + machine) % letters.length));
    const letter = letters[machine] ?? machine;
    return this.node(
      machine,
      builtMain(`@understudy/${kind}`),
      {
        UNDERSTUDY_ID: `${kind}-${letter}`,
        UNDERSTUDY_MACHINE: `machine-${letter}`,
        UNDERSTUDY_NATS_SERVERS: turned.map((address) => `nats://${address}:${ports.client}`).join(","),
        UNDERSTUDY_NATS_USER: credentials.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.passwordFile,
        UNDERSTUDY_DATABASE_PASSWORD_FILE: this.passwordFile,
        UNDERSTUDY_LOG_FORMAT: "json",
        ...own,
      },
      (line) => this.#keep(line),
    );
  }

  #keep(line: string): void {
    const { time, ...rest } = JSON.parse(line) as Omit<LogLine, "at"> & { readonly time: string };
    this.log.push({ ...rest, at: Date.parse(time) });
  }

  /** The machine of `id` falls silent. */
  silence(id: string): void {
    this.network.isolate(letters.findIndex((letter) => id.endsWith(`-${letter}`)));
  }

  heal(): void {
    this.network.heal();
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
    this.network.remove();
    this.#folder.remove();
  }
}
