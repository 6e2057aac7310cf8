import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { natsServerBinary } from "./nats-binary.ts";
import { defaultHost, natsConfiguration, type NatsServerOptions } from "./nats-configuration.ts";
import type { SpawnSpec } from "./spawn-spec.ts";
import { until } from "./until.ts";

/** Writes the node's configuration into its data folder (readable by its owner only) and says how to start it. */
export function prepareNatsServer(options: NatsServerOptions): SpawnSpec {
  const command = natsServerBinary();
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const path = join(options.dataDir, "nats-server.conf");
  writeFileSync(`${path}.new`, natsConfiguration(options), { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
  return { command, args: ["--config", path], env: {}, cwd: options.dataDir };
}

type Addresses = Pick<NatsServerOptions, "name" | "host" | "clientPort" | "monitorPort">;

const attemptMs = 2_000;

/** Connects and waits for the server's greeting. */
function greeted(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.setTimeout(attemptMs, () => end(new Error(`${host}:${port} does not answer`)));
    socket.once("error", end);
    socket.once("data", () => end());
    socket.once("close", () => end(new Error(`${host}:${port} closed the connection`)));
  });
}

async function monitor(options: Addresses, path: string): Promise<unknown> {
  const response = await fetch(`http://${options.host ?? defaultHost}:${options.monitorPort}${path}`, {
    signal: AbortSignal.timeout(attemptMs),
    headers: { connection: "close" },
  });
  const body: unknown = await response.json();
  if (!response.ok) throw new Error((body as { error?: string }).error ?? `${path} answered ${response.status}`);
  return body;
}

/** Resolves when the node greets clients and its JetStream runs. Rejects when `signal` aborts. */
export function natsServerReady(options: Addresses, signal?: AbortSignal): Promise<void> {
  return until(options.name, signal, async () => {
    await greeted(options.host ?? defaultHost, options.clientPort);
    await monitor(options, "/healthz?js-enabled-only=true");
  });
}

interface MetaCluster {
  readonly meta_cluster?: {
    readonly leader?: string;
    readonly cluster_size?: number;
    readonly replicas?: readonly { readonly current?: boolean; readonly offline?: boolean }[];
  };
}

/** Why streams with `replicas` copies cannot be made yet; undefined when they can. */
export function missingForStreams(statements: readonly MetaCluster[], replicas: number): string | undefined {
  const leaders = new Set(statements.map(({ meta_cluster: meta }) => meta?.leader ?? ""));
  if (leaders.has("") || leaders.size !== 1) return "the nodes do not agree on a JetStream leader";
  const peers = statements.flatMap(({ meta_cluster: meta }) => meta?.replicas ?? []);
  const usable = 1 + peers.filter(({ current, offline }) => current === true && offline !== true).length;
  return usable < replicas ? `the JetStream leader sees ${usable} of ${replicas} nodes` : undefined;
}

/** Resolves when streams with a copy on each of `nodes` can be made: one leader, and it sees all of them current. */
export function jetStreamReady(nodes: readonly Addresses[], signal?: AbortSignal): Promise<void> {
  return until("JetStream", signal, async () => {
    await Promise.all(nodes.map((node) => monitor(node, "/healthz?js-enabled-only=true")));
    if (nodes.length === 1) return;
    const statements = await Promise.all(nodes.map(async (node) => (await monitor(node, "/jsz")) as MetaCluster));
    const missing = missingForStreams(statements, nodes.length);
    if (missing !== undefined) throw new Error(missing);
  });
}
