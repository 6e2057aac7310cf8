/** The built service in a process of its own, with a front door before it: connections are handed over by IPC. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { childMessage, type ChildMessage } from "@understudy/contracts";
import { builtMain, eventually, registered, type NatsCluster } from "@understudy/testkit";

export class BalancerProcess {
  readonly messages: ChildMessage[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  #log = "";

  private constructor(
    readonly id: string,
    nats: NatsCluster,
    environment: Readonly<Record<string, string>>,
  ) {
    this.#child = fork(builtMain("@understudy/load-balancer"), [], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: {
        PATH: process.env["PATH"],
        UNDERSTUDY_ID: id,
        UNDERSTUDY_MACHINE: "machine-a",
        UNDERSTUDY_NATS_SERVERS: nats.servers.join(","),
        UNDERSTUDY_NATS_USER: nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: nats.passwordFile,
        UNDERSTUDY_LOG_FORMAT: "json",
        ...environment,
      },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.#log += chunk.toString()));
    }
    this.#child.on("message", (message) => this.messages.push(childMessage.parse(message)));
    this.exited = once(this.#child, "exit").then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
    registered({ pid: this.#child.pid, exited: this.exited });
  }

  static async start(
    id: string,
    nats: NatsCluster,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<BalancerProcess> {
    const balancer = new BalancerProcess(id, nats, environment);
    await balancer.said("started");
    return balancer;
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async said<Type extends ChildMessage["type"]>(type: Type): Promise<Extract<ChildMessage, { type: Type }>> {
    const find = () =>
      this.messages.find((message): message is Extract<ChildMessage, { type: Type }> => message.type === type);
    const found = await Promise.race([
      eventually(find, { withinMs: 30_000, describe: `${this.id} says ${type}` }).catch(() => undefined),
      this.exited.then(() => undefined),
    ]);
    if (found === undefined) throw new Error(`${this.id} did not say ${type}:\n${this.#log}`);
    return found;
  }

  get accepts(): boolean {
    const latest = this.messages.findLast((message) => message.type === "accepts-connections");
    return latest?.accepts === true;
  }

  async accepting(accepts: boolean): Promise<void> {
    await eventually(() => this.accepts === accepts, {
      withinMs: 20_000,
      describe: `${this.id} ${accepts ? "accepts" : "does not accept"} connections`,
    });
  }

  send(message: { type: string }, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, {}, () => undefined);
  }

  disconnect(): void {
    this.#child.disconnect();
  }

  async terminate(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.exited;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }
}

/** Hands accepted connections to the balancers that want them, in turn; to any, when none does. */
export class TestFrontDoor {
  readonly #server: Server;
  #turn = 0;
  port = 0;

  constructor(readonly balancers: BalancerProcess[]) {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      const wanting = this.balancers.filter(({ accepts }) => accepts);
      const choice = wanting.length > 0 ? wanting : this.balancers;
      choice[this.#turn++ % choice.length]?.send({ type: "connection" }, socket);
    });
  }

  async open(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}
