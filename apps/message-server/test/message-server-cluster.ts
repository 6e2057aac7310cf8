/** Real NATS, real PostgreSQL and real message servers, for the tests of this folder. */
import type { NatsConnection } from "@nats-io/transport-node";
import {
  clusterStatus,
  readHistory,
  type ClusterStatus,
  type HistoryEntry,
  type RequestContract,
} from "@understudy/contracts";
import { call, NoAnswerError, NoRespondersHint, pause } from "@understudy/runtime";
import { eventually, NatsCluster, PostgresServer, ServiceProcess } from "@understudy/testkit";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import type { z } from "zod";
import { ScriptedAppServer } from "./scripted-app-server.ts";

export type Letter = "a" | "b" | "c";
const letters: readonly Letter[] = ["a", "b", "c"];

export class MessageServerCluster {
  readonly servers = new Map<string, ServiceProcess>();
  readonly #appServers: ScriptedAppServer[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "understudy-message-servers-"));

  private constructor(
    readonly nats: NatsCluster,
    readonly postgres: PostgresServer,
    readonly connection: NatsConnection,
  ) {}

  static async start({ nodes = 3, servers = ["a", "b"] as readonly Letter[] } = {}): Promise<MessageServerCluster> {
    const [nats, postgres] = await Promise.all([NatsCluster.start({ nodes }), PostgresServer.start()]);
    const cluster = new MessageServerCluster(nats, postgres, await nats.connect("test"));
    try {
      await Promise.all(servers.map((letter) => cluster.startServer(letter)));
      if (servers.length > 0) await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async startServer(letter: Letter, variables: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const id = `message-server-${letter}`;
    const databasePassword = join(this.#folder, "database-password");
    writeFileSync(databasePassword, this.postgres.password, { mode: 0o600 });
    const turn = letters.indexOf(letter) % this.nats.servers.length;
    const process_ = await ServiceProcess.start({
      service: "@understudy/message-server",
      environment: {
        UNDERSTUDY_ID: id,
        UNDERSTUDY_MACHINE: `machine-${letter}`,
        // Its own machine's node first.
        UNDERSTUDY_NATS_SERVERS: [...this.nats.servers.slice(turn), ...this.nats.servers.slice(0, turn)].join(","),
        UNDERSTUDY_NATS_USER: this.nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.nats.passwordFile,
        UNDERSTUDY_NATS_NODE: `nats-${letter}`,
        UNDERSTUDY_DATABASE_URL: this.postgres.url,
        UNDERSTUDY_DATABASE_PASSWORD_FILE: databasePassword,
        UNDERSTUDY_LOG_LEVEL: "debug",
        ...variables,
      },
    });
    this.servers.set(id, process_);
    return process_;
  }

  /** A path that is removed with the cluster. */
  file(name: string): string {
    return join(this.#folder, name);
  }

  server(id: string): ServiceProcess {
    const found = this.servers.get(id);
    if (found === undefined) throw new RangeError(`no message server ${id}`);
    return found;
  }

  /** A scripted app server: the real contracts over real NATS, without an application. */
  async appServer(id: string, { isReady = true } = {}): Promise<ScriptedAppServer> {
    const server = new ScriptedAppServer(await this.nats.connect(id), id);
    server.isReady = isReady;
    this.#appServers.push(server);
    server.start();
    return server;
  }

  /** Asks the leader, trying again while there is none, as the CLI does. */
  async ask<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    payload: z.input<Request>,
    withinMs = 20_000,
  ): Promise<z.infer<Reply>> {
    const until = performance.now() + withinMs;
    for (;;) {
      try {
        return await call(this.connection, contract, payload, { timeoutMs: 2_000 });
      } catch (error) {
        const mayPass =
          error instanceof NoRespondersHint ||
          error instanceof NoAnswerError ||
          (error as { code?: string }).code === "not-leader" ||
          (error as { retryable?: boolean }).retryable === true;
        if (!mayPass || performance.now() > until) throw error;
        await pause(10);
      }
    }
  }

  status(): Promise<ClusterStatus> {
    return this.ask(clusterStatus, {});
  }

  /** Waits until somebody leads, other than `not`. */
  leader(not?: string): Promise<ClusterStatus["leader"]> {
    return eventually(
      async () => {
        const { leader } = await call(this.connection, clusterStatus, {}, { timeoutMs: 500 });
        return leader.holder.id === not ? undefined : leader;
      },
      { withinMs: 25_000, describe: `somebody${not === undefined ? "" : ` other than ${not}`} leads` },
    );
  }

  async history(): Promise<HistoryEntry[]> {
    return (await this.ask(readHistory, { limit: 1_000 })).entries;
  }

  /** The history's entry about the loss of an instance, once it is there. */
  recordedLoss(incarnation: string): Promise<HistoryEntry> {
    return eventually(
      async () =>
        (await this.history()).find(
          (entry) => entry.type === "instance" && entry.event === "lost" && entry.instance.incarnation === incarnation,
        ),
      { withinMs: 5_000, describe: "the loss stands in the history" },
    );
  }

  async stop(): Promise<void> {
    for (const appServer of this.#appServers) appServer.stop();
    await Promise.all([...this.servers.values()].map((server) => server.kill()));
    await this.nats.stop();
    await this.postgres.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
