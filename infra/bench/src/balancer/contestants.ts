/** Who is measured: each is one process that listens on a port before the same backends. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "@understudy/engines";
import { eventually, registered } from "@understudy/testkit";

/** A process of the bench; ends with it. */
export class BenchProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly exited: Promise<void>,
  ) {}

  static start(command: string, args: readonly string[]): BenchProcess {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    child.on("error", (error) => console.error(`${command}: ${error.message}`));
    const exited = once(child, "exit").then(() => undefined);
    registered({ pid: child.pid, exited: exited as never });
    return new BenchProcess(child, exited);
  }

  /** Runs a module beside this one in a Node of its own. */
  static module(name: string, ...args: readonly (string | number)[]): BenchProcess {
    const path = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    return BenchProcess.start(process.execPath, [path, ...args.map(String)]);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

export async function listening(port: number): Promise<void> {
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      }),
    { describe: `something listens on port ${port}` },
  );
}

/** Two processes that stand for app servers. */
export class Backends {
  readonly #processes: BenchProcess[] = [];
  private constructor(readonly ports: readonly number[]) {}

  static async start(): Promise<Backends> {
    const backends = new Backends(await freePorts(2));
    for (const index of backends.ports.keys()) await backends.revive(index);
    return backends;
  }

  async revive(index: number): Promise<void> {
    const port = this.ports[index] as number;
    this.#processes[index] = BenchProcess.module("backend-process", port);
    await listening(port);
  }

  async kill(index: number): Promise<void> {
    await this.#processes[index]?.kill();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((backend) => backend.kill()));
  }
}

export interface Contestant {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const haproxyConfiguration = (port: number, backends: readonly number[]) => `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend users
  bind 127.0.0.1:${port} backlog 4096
  default_backend servers
backend servers
  balance roundrobin
  option httpchk GET /
  default-server check inter 500ms fall 2 rise 1
${backends.map((backend, index) => `  server s${index} 127.0.0.1:${backend}`).join("\n")}
`;

export async function startHaproxy(folder: string, backends: readonly number[]): Promise<Contestant> {
  const [port = 0] = await freePorts(1);
  const path = join(folder, `haproxy-${port}.cfg`);
  writeFileSync(path, haproxyConfiguration(port, backends));
  const started = BenchProcess.start("haproxy", ["-f", path, "-db"]);
  await listening(port);
  return { port, pid: started.pid, stop: () => started.kill() };
}

export async function startBareDispatch(backends: readonly number[]): Promise<Contestant> {
  const [port = 0] = await freePorts(1);
  const started = BenchProcess.module("bare-dispatch-process", port, ...backends);
  await listening(port);
  return { port, pid: started.pid, stop: () => started.kill() };
}
