/** `.understudy/run.json`: what runs, for scripts. Whoever reads it finds it whole (written aside, then renamed). */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { ownerRole, type RunFile } from "@understudy/contracts";
import { secretFile } from "@understudy/secrets/paths";
import { host, type ClusterPlan } from "./plan.ts";
import type { ProcessState } from "./supervised.ts";
import type { Supervisor } from "./supervisor.ts";

export interface RunFacts {
  readonly plan: ClusterPlan;
  readonly supervisor: Supervisor;
  readonly url: string;
  readonly startedAt: Date;
  readonly controlSocket: string;
  readonly isCut: (machine: string) => boolean;
  readonly databasePassword: string;
}

/** Until its exit is seen, a process that was killed still counts as running. */
const shownState = (state: ProcessState): RunFile["processes"][number]["state"] =>
  state.kind === "ending" ? "running" : state.kind;

const operatorAuthority = ({ secretsFolder }: ClusterPlan["settings"]): string =>
  secretFile(secretsFolder, "operator", "ca.crt");

const tlsOf = (settings: ClusterPlan["settings"]): string =>
  settings.isEncrypted
    ? `sslmode=verify-full&sslrootcert=${encodeURIComponent(operatorAuthority(settings))}`
    : "sslmode=disable";

/** The instances of the one database, with the password: scripts can use them as they are. */
export const databaseUrls = ({ postgres, settings }: ClusterPlan, password: string): { id: string; url: string }[] =>
  postgres.map(({ id, port }) => ({
    id,
    url: `postgres://${ownerRole}:${password}@${host}:${port}/${settings.database}?${tlsOf(settings)}`,
  }));

/** All of them in one, as a failover-pool takes it; with the password. */
export const databaseUrl = ({ postgres, settings }: ClusterPlan, password: string): string => {
  const hosts = postgres.map(({ port }) => `${host}:${port}`).join(",");
  const instances = postgres.map(({ id }) => id).join(",");
  return `postgres://${ownerRole}:${password}@${hosts}/${settings.database}?instances=${instances}&${tlsOf(settings)}`;
};

export function describeRun({ plan, supervisor, url, ...facts }: RunFacts): RunFile {
  const nats = plan.nats.map(({ id, machine, clientPort, monitorPort }) => ({
    id,
    machine,
    url: `nats://${host}:${clientPort}`,
    monitorUrl: `http://${host}:${monitorPort}`,
  }));
  const instances = databaseUrls(plan, facts.databasePassword);
  const engineUrls = new Map([...nats, ...instances].map((engine) => [engine.id, engine.url]));
  return {
    cluster: plan.settings.cluster,
    startedAt: facts.startedAt.toISOString(),
    supervisor: { pid: process.pid, controlSocket: facts.controlSocket },
    urls: { loadBalancer: url, api: `${url}/api`, openapi: `${url}/api/openapi.json` },
    machines: plan.machines.map((id) => ({ id, cut: facts.isCut(id) })),
    processes: supervisor.processes.map(({ id, program, pid, state, restarts }) => {
      const told = supervisor.facts(id);
      const ownUrl = told.url ?? engineUrls.get(id);
      return {
        id,
        kind: program.kind,
        machine: program.machine,
        pid,
        state: shownState(state),
        restarts,
        ...(ownUrl !== undefined && { url: ownUrl }),
        ...(told.opsUrl !== undefined && { opsUrl: told.opsUrl }),
      };
    }),
    databases: instances.length > 0 ? [{ name: plan.settings.database, instances }] : [],
    nats,
    natsCredentials: {
      user: "operator",
      seedFile: secretFile(plan.settings.secretsFolder, "operator", "nats.seed"),
      ...(plan.settings.isEncrypted && { caFile: operatorAuthority(plan.settings) }),
    },
  };
}

export class RunFileWriter {
  #isOver = false;

  constructor(private readonly path: string) {}

  write(content: RunFile): void {
    if (this.#isOver) return;
    const draft = `${this.path}.new`;
    // It holds the database's password, so only its owner reads it.
    writeFileSync(draft, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(draft, this.path);
  }

  /** For good: what a process says while it ends may come later. */
  remove(): void {
    this.#isOver = true;
    rmSync(this.path, { force: true });
  }
}
