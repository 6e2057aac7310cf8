/** A state folder, a control socket and one real NATS node, as `npm start` leaves them for the command line. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { RunFile } from "@understudy/contracts";
import { NatsCluster, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { runCommandLine } from "../src/command-line.ts";
import { exampleRun } from "../src/testing/example-cluster.ts";
import { recordedSurroundings, type RecordedSurroundings } from "../src/testing/recorded-surroundings.ts";
import { ScriptedMessageServer } from "./scripted-message-server.ts";

export interface Outcome {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export class LocalCluster {
  /** Requests to the control socket: path and body. */
  readonly controlled: { readonly path: string; readonly body: unknown }[] = [];
  /** What the control socket answers. */
  controlAnswer: { readonly status: number; readonly body: unknown } = {
    status: 200,
    body: { affected: ["app-server-a"], message: "app-server-a: done." },
  };
  #server: Server | undefined;

  private constructor(
    readonly nats: NatsCluster,
    readonly messageServer: ScriptedMessageServer,
    private readonly folder: TemporaryFolder,
    readonly run: RunFile,
  ) {}

  static async start(): Promise<LocalCluster> {
    const nats = await NatsCluster.start({ nodes: 1 });
    const folder = temporaryFolder("cli");
    const example = exampleRun();
    const run: RunFile = {
      ...example,
      supervisor: { pid: process.pid, controlSocket: join(folder.path, ".understudy", "control.sock") },
      nats: [{ id: "nats-a", machine: "machine-a", url: nats.node(0).url, monitorUrl: nats.node(0).monitorUrl }],
      natsCredentials: { user: nats.user, passwordFile: nats.passwordFile },
    };
    const messageServer = new ScriptedMessageServer(await nats.connect("scripted message server"));
    const cluster = new LocalCluster(nats, messageServer, folder, run);
    mkdirSync(join(folder.path, ".understudy", "logs"), { recursive: true });
    cluster.writeRun(run);
    await messageServer.start();
    await cluster.startControl();
    return cluster;
  }

  get path(): string {
    return this.folder.path;
  }

  get logs(): string {
    return join(this.folder.path, ".understudy", "logs");
  }

  writeRun(run: RunFile): void {
    writeFileSync(join(this.folder.path, ".understudy", "run.json"), JSON.stringify(run));
  }

  surroundings(given: Parameters<typeof recordedSurroundings>[0] = {}): RecordedSurroundings {
    return recordedSurroundings({ folder: this.folder.path, ...given });
  }

  /** Runs one command to its end. */
  async understudy(...argv: readonly string[]): Promise<Outcome> {
    const surroundings = this.surroundings();
    const exitCode = await runCommandLine(argv, surroundings);
    return { exitCode, out: surroundings.out(), err: surroundings.err() };
  }

  async startControl(): Promise<void> {
    this.#server = createServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      request.once("end", () => {
        this.controlled.push({ path: request.url ?? "", body: JSON.parse(text) });
        response.writeHead(this.controlAnswer.status, { "content-type": "application/json" });
        response.end(JSON.stringify(this.controlAnswer.body));
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.run.supervisor.controlSocket, resolve));
  }

  async stopControl(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    this.messageServer.stop();
    await this.stopControl();
    await this.nats.stop();
    this.folder.remove();
  }
}
