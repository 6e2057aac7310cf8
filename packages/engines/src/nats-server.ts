import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { natsServerBinary } from "./nats-binary.ts";
import { defaultHost, natsConfiguration, type NatsServerOptions } from "./nats-configuration.ts";
import { natsRequest, type NatsAccess } from "./nats-request.ts";
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
function greeted(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (error?: Error) => {
      signal.removeEventListener("abort", giveUp);
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    const giveUp = () => end(new Error(`${host}:${port} does not answer`));
    signal.addEventListener("abort", giveUp, { once: true });
    socket.once("error", end);
    socket.once("data", () => end());
    socket.once("close", () => end(new Error(`${host}:${port} closed the connection`)));
  });
}

async function monitor(options: Addresses, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(`http://${options.host ?? defaultHost}:${options.monitorPort}${path}`, {
    signal,
    headers: { connection: "close" },
  });
  const body: unknown = await response.json();
  if (!response.ok) throw new Error((body as { error?: string }).error ?? `${path} answered ${response.status}`);
  return body;
}

/**
 * Runs one attempt with a signal that aborts when `signal` does, or when it takes too long. By hand:
 * `AbortSignal.any` and `AbortSignal.timeout` may be collected as garbage before they fire (Node 20).
 */
async function attempt<Value>(
  signal: AbortSignal | undefined,
  run: (over: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const over = new AbortController();
  const abort = () => over.abort();
  const timer = setTimeout(abort, attemptMs);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    return await run(over.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** Resolves when the node greets clients and its JetStream runs. Rejects when `signal` aborts. */
export function natsServerReady(options: Addresses, signal?: AbortSignal): Promise<void> {
  return until(options.name, signal, async () => {
    await attempt(signal, (over) => greeted(options.host ?? defaultHost, options.clientPort, over));
    await attempt(signal, (over) => monitor(options, "/healthz?js-enabled-only=true", over));
    // Asked of the running server, not believed of its configuration: acknowledged must mean on disk.
    const { config } = (await attempt(signal, (over) => monitor(options, "/jsz", over))) as JetStreamFigures;
    if (config?.sync_always !== true) throw new Error("JetStream does not sync before it acknowledges");
  });
}

interface JetStreamFigures {
  readonly config?: { readonly sync_always?: boolean };
  readonly meta_cluster?: { readonly leader?: string };
}

const probeStream = "UNDERSTUDY_READY_PROBE";
// A leader answers in milliseconds; without one nobody does.
const answerMs = 1_000;

async function jetStreamRequest(node: NatsAccess, operation: string, request: object): Promise<void> {
  const answer = await natsRequest(node, `$JS.API.STREAM.${operation}.${probeStream}`, request, answerMs);
  const error = answer["error"] as { description?: string } | undefined;
  if (error) throw new Error(error.description ?? "JetStream refused");
}

async function expectLeader(nodes: readonly Addresses[], signal: AbortSignal): Promise<void> {
  const figures = await Promise.all(
    nodes.map(async (node) => (await monitor(node, "/jsz", signal)) as JetStreamFigures),
  );
  const leaders = new Set(figures.map(({ meta_cluster: meta }) => meta?.leader ?? ""));
  if (leaders.size !== 1 || leaders.has("")) throw new Error("the nodes do not agree on a JetStream leader");
}

/**
 * Resolves when streams with a copy on each of `nodes` can be made; proven by making one, and removing it.
 *
 * The state that the monitor tells does not do: it calls nodes online and current whose figures have not reached the
 * leader yet, and until then the leader refuses with "no suitable peers for placement, peer offline". On a busy
 * computer that was seen in a third of all starts.
 */
export function jetStreamReady(nodes: readonly (Addresses & NatsAccess)[], signal?: AbortSignal): Promise<void> {
  const [first] = nodes;
  if (first === undefined) return Promise.resolve();
  return until("JetStream", signal, async () => {
    if (nodes.length > 1) await attempt(signal, (over) => expectLeader(nodes, over));
    await jetStreamRequest(first, "CREATE", {
      name: probeStream,
      subjects: [probeStream],
      storage: "memory",
      num_replicas: nodes.length,
    });
    await jetStreamRequest(first, "DELETE", {});
  });
}
