/** From the plan to what can be started: commands, readiness, stop signals. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServiceKind } from "@understudy/contracts";
import { natsServerReady, prepareNatsServer, type NatsUsers } from "@understudy/engines";
import { OperationalError } from "@understudy/runtime/errors";
import { secretFile } from "@understudy/secrets/paths";
import type { ClusterPlan, PlannedNats, PlannedPostgres, PlannedService } from "./plan.ts";
import type { RestartPolicy } from "./restart-policy.ts";
import type { Program } from "./supervised-process.ts";

/** The repository: this file lies in infra/local/src or infra/local/dist. */
export const repository = join(import.meta.dirname, "../../..");

/** Services and the network run the build, also when the supervisor itself runs from source (tests). */
export const serviceScript = (kind: ServiceKind): string => join(repository, "apps", kind, "dist/main.js");
const networkScript = join(repository, "infra/local/dist/network-main.js");

export const networkId = "network";
/** In run.json the links belong to no machine: `kill machine-b` leaves them alone. */
export const networkMachine = "all";

/** Who gets in, and what each may do. */
export interface NatsAccess {
  readonly users: NatsUsers;
  readonly routePassword: string;
}

export interface ProgramOptions {
  /** Of all NATS nodes. */
  readonly natsAccess: NatsAccess;
  readonly restart: RestartPolicy;
  /** Resolves when the links between the machines listen; soon in any case. */
  readonly linksStand: (signal: AbortSignal) => Promise<void>;
}

/** What a child needs of our own environment; services refuse `UNDERSTUDY_*` variables that they do not know. */
export function inheritedEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const wanted = ["PATH", "HOME", "TMPDIR", "LANG", "TZ", "NODE_ENV", "NODE_EXTRA_CA_CERTS"];
  return Object.fromEntries(
    wanted.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

function nodeProgram(script: string, environment: Readonly<Record<string, string>>): Pick<Program, "prepare"> {
  return {
    prepare: () => {
      if (!existsSync(script)) {
        throw new OperationalError("unavailable", `${script} is missing: build the tree first (npm run build).`);
      }
      return {
        command: process.execPath,
        args: [script],
        env: { ...inheritedEnvironment(), ...environment },
        cwd: repository,
      };
    },
  };
}

const natsProgram = (
  plan: ClusterPlan,
  node: PlannedNats,
  { natsAccess, restart, linksStand }: ProgramOptions,
): Program => {
  const file = (name: string) => secretFile(plan.settings.secretsFolder, node.id, name);
  const options = {
    name: node.id,
    cluster: plan.settings.cluster,
    dataDir: node.dataDir,
    clientPort: node.clientPort,
    routePort: node.routePort,
    monitorPort: node.monitorPort,
    routes: node.routes,
    users: natsAccess.users,
    routePassword: natsAccess.routePassword,
    ...(plan.settings.isEncrypted && {
      tls: { certificateFile: file("tls.crt"), keyFile: file("tls.key"), authorityFile: file("ca.crt") },
    }),
    tags: [`machine:${node.machine}`],
  };
  return {
    id: node.id,
    kind: "nats",
    machine: node.machine,
    prepare: async (signal) => {
      // A node whose first dial is refused waits seconds before the next.
      if (node.routes.length > 0) await linksStand(signal);
      return prepareNatsServer(options);
    },
    ready: (signal) => natsServerReady(options, signal),
    hasChannel: false,
    startsOthers: false,
    stopSignal: "SIGTERM",
    restart,
  };
};

export const serviceProgram = (service: PlannedService, restart: RestartPolicy, engine?: PlannedPostgres): Program => ({
  id: service.id,
  kind: service.kind,
  machine: service.machine,
  ...nodeProgram(serviceScript(service.kind), service.environment),
  hasChannel: true,
  startsOthers: false,
  stopSignal: "SIGTERM",
  restart,
  ...(engine && { engine: { id: engine.id, kind: engine.kind, machine: engine.machine, startsOthers: true } }),
});

const networkProgram = (restart: RestartPolicy): Program => ({
  id: networkId,
  kind: "network",
  machine: networkMachine,
  ...nodeProgram(networkScript, {}),
  hasChannel: true,
  startsOthers: false,
  stopSignal: "SIGTERM",
  // Its death cuts all machines from each other, which no real event does: back as soon as possible.
  restart: { ...restart, firstMs: Math.min(restart.firstMs, 50) },
});

/** In the order in which they are started: what others wait for comes first. */
export function programsOf(plan: ClusterPlan, options: ProgramOptions): readonly Program[] {
  const { restart } = options;
  const order: readonly ServiceKind[] = [
    "db-keeper",
    "message-server",
    "app-server",
    "load-balancer",
    "db-pool",
    "heartbeat-monitor",
  ];
  const services = [...plan.services].sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
  return [
    ...(plan.links.length > 0 ? [networkProgram(restart)] : []),
    ...plan.nats.map((node) => natsProgram(plan, node, options)),
    ...services.map((service) =>
      serviceProgram(
        service,
        restart,
        plan.postgres.find(({ keeper }) => keeper === service.id),
      ),
    ),
  ];
}
