/** What the cluster says of itself, asked with the command line inside one of its containers. */
import { clusterStatus, databaseStatus, type DatabaseTopology } from "@understudy/contracts";
import { OperationalError, pause } from "@understudy/runtime";
import { z } from "zod";
import type { Containers } from "./containers.ts";
import type { Engine } from "./engine.ts";

const answered = z.object({
  instances: clusterStatus.reply.shape.instances,
  appServers: clusterStatus.reply.shape.appServers,
  leader: clusterStatus.reply.shape.leader.nullable(),
  databases: databaseStatus.reply.shape.databases,
});
export type ClusterLook = z.infer<typeof answered>;

/** Services that beat; the rest is NATS, the front, and what ended. */
const beating = /^(?:message-server|app-server|load-balancer|heartbeat-monitor|db-pool|db-keeper)-/;

/** What is missing until everything runs, is ready and protected; empty when nothing is. Pure. */
export function missingIn(look: ClusterLook, services: readonly string[]): readonly string[] {
  const faults: string[] = [];
  for (const service of services.filter((each) => beating.test(each))) {
    const found = look.instances.find(({ instance }) => instance.id === service);
    if (found === undefined) faults.push(`${service} is not heard`);
    else if (found.verdict !== "alive") faults.push(`${service} is ${found.verdict}`);
    else if (!found.ready) faults.push(`${service} is not ready`);
  }
  for (const { instance, state } of look.appServers)
    if (services.includes(instance.id) && state !== "accepting") faults.push(`${instance.id} is ${state}`);
  for (const { database: name, primary, degradedSince, members } of look.databases) {
    if (primary === undefined) faults.push(`${name} has no primary`);
    if (degradedSince !== undefined && members.length > 1) faults.push(`${name} is degraded`);
    for (const { id, inSync } of members) if (!inSync) faults.push(`${id} is not in sync`);
  }
  if (look.databases.length === 0) faults.push("no db-pool answers");
  return faults;
}

export class ClusterView {
  #operator: string | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly containers: Containers,
  ) {}

  /** A container of the operator's, from which all is asked. */
  async open(): Promise<void> {
    const command = ["run", "-d", "--no-deps", "--entrypoint", "sleep", "operator", "infinity"];
    this.#operator = (await this.engine.compose(command)).trim().split("\n").at(-1);
  }

  /** @throws OperationalError when nobody answers. */
  async look(): Promise<ClusterLook> {
    if (this.#operator === undefined) throw new OperationalError("unavailable", "The view is not open.");
    const command = ["exec", this.#operator, "understudy", "status", "--format", "json"];
    return answered.parse(JSON.parse(await this.engine.docker(command, { timeoutMs: 20_000 })));
  }

  async close(): Promise<void> {
    if (this.#operator !== undefined) await this.engine.tryDocker(["rm", "-f", this.#operator]);
  }

  /** Resolves when everything runs, is ready and protected. @throws OperationalError that says what is missing. */
  async whole(withinMs = 180_000): Promise<ClusterLook> {
    let missing: readonly string[] = [];
    for (const until = performance.now() + withinMs; performance.now() < until; await pause(500)) {
      try {
        const containers = await this.containers.all();
        missing = containers
          .filter(({ isRunning, health }) => !isRunning || (health !== undefined && health !== "healthy"))
          .map(({ service, isRunning, health }) => `${service} ${isRunning ? `is ${health}` : "does not run"}`);
        if (missing.length > 0) continue;
        const look = await this.look();
        missing = missingIn(
          look,
          containers.map(({ service }) => service),
        );
        if (missing.length === 0) return look;
      } catch (error) {
        missing = [(error as Error).message];
      }
    }
    throw new OperationalError("timeout", `After ${withinMs / 1_000} s: ${missing.join("; ")}`);
  }

  async database(): Promise<DatabaseTopology> {
    const [database] = (await this.look()).databases;
    if (database === undefined) throw new OperationalError("unavailable", "No db-pool answers.");
    return database;
  }
}
