/**
 * The `UNDERSTUDY_*` variables of one service on one machine: exactly what it knows, since a service refuses to start
 * with a variable that it does not know.
 */
import type { ServiceKind } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";
import { secretFile } from "@understudy/secrets/paths";

/** What is the same on all machines. */
export interface ClusterSettings {
  readonly cluster: string;
  readonly site: string;
  /** Of packages/secrets: each service gets the files of its own reader. */
  readonly secretsFolder: string;
  /** Whether NATS and PostgreSQL speak TLS; certificates are made in any case. */
  readonly isEncrypted: boolean;
  readonly database: string;
  /** Packages with a business application, which every app server hosts. */
  readonly applications: readonly string[];
  readonly orderEntryScale: number;
  /** The folder whose disk is watched for room. */
  readonly watchedDir: string;
  readonly stopTimeoutMs: number;
  readonly logLevel: string;
}

/** How the rest of the cluster is reached from one machine. */
export interface MachineView {
  readonly machine: string;
  readonly natsNode?: string;
  readonly natsServers: readonly string[];
  /** All instances of the database, the one on the own machine first, for those who serve. */
  readonly databaseUrl?: string;
  /** host:port by PostgreSQL instance; in the same order on all machines: the first one initialises the database. */
  readonly databaseMembers: Readonly<Record<string, string>>;
  /** NATS nodes on the machines of these instances. */
  readonly databaseNatsNodes: readonly string[];
  /** URL by instance id. */
  readonly appServers: Readonly<Record<string, string>>;
}

/** One instance; port 0: any free one. */
export interface ServicePlace {
  readonly id: string;
  readonly kind: ServiceKind;
  readonly opsPort: number;
  readonly httpPort?: number;
  /** The PostgreSQL instance that a db-keeper runs. */
  readonly postgres?: { readonly id: string; readonly dataDir: string; readonly port: number };
}

export function serviceEnvironment(
  settings: ClusterSettings,
  view: MachineView,
  place: ServicePlace,
): Readonly<Record<string, string>> {
  const file = (name: string) => secretFile(settings.secretsFolder, place.postgres?.id ?? place.kind, name);
  return {
    UNDERSTUDY_CLUSTER: settings.cluster,
    UNDERSTUDY_SITE: settings.site,
    UNDERSTUDY_MACHINE: view.machine,
    UNDERSTUDY_ID: place.id,
    UNDERSTUDY_NATS_SERVERS: view.natsServers.join(","),
    UNDERSTUDY_NATS_SEED_FILE: file("nats.seed"),
    ...(settings.isEncrypted && { UNDERSTUDY_NATS_CA_FILE: file("ca.crt") }),
    UNDERSTUDY_OPS_PORT: String(place.opsPort),
    UNDERSTUDY_DATA_DIR: settings.watchedDir,
    UNDERSTUDY_LOG_LEVEL: settings.logLevel,
    UNDERSTUDY_STOP_TIMEOUT_MS: String(settings.stopTimeoutMs),
    ...ownVariables(settings, view, place),
  };
}

function ownVariables(settings: ClusterSettings, view: MachineView, place: ServicePlace): Record<string, string> {
  const http = { UNDERSTUDY_HTTP_PORT: String(place.httpPort ?? 0) };
  const authority = secretFile(settings.secretsFolder, place.kind, "ca.crt");
  const password = (role: string) => secretFile(settings.secretsFolder, place.kind, `${role}.password`);
  const database = {
    UNDERSTUDY_DATABASE_URL: view.databaseUrl ?? "",
    UNDERSTUDY_DATABASE_PASSWORD_FILE: password("application"),
    UNDERSTUDY_OWNER_PASSWORD_FILE: password("owner"),
    ...(settings.isEncrypted && { UNDERSTUDY_DATABASE_CA_FILE: authority }),
  };
  switch (place.kind) {
    case "message-server":
      return { ...database, ...(view.natsNode !== undefined && { UNDERSTUDY_NATS_NODE: view.natsNode }) };
    case "app-server":
      return {
        ...database,
        ...http,
        UNDERSTUDY_APPLICATIONS: settings.applications.join(","),
        UNDERSTUDY_ORDER_ENTRY_SCALE: String(settings.orderEntryScale),
        UNDERSTUDY_ORDER_ENTRY_DRILLS: "true",
      };
    case "load-balancer":
      return { ...http, UNDERSTUDY_APP_SERVER_ADDRESSES: JSON.stringify(view.appServers) };
    case "db-pool":
      return {
        UNDERSTUDY_DATABASES: JSON.stringify([
          {
            name: settings.database,
            url: view.databaseUrl,
            passwordFile: password("application"),
            ...(settings.isEncrypted && { caFile: authority }),
          },
        ]),
      };
    case "db-keeper":
      return keeperVariables(settings, view, place);
    case "heartbeat-monitor":
      return {};
  }
}

/** The other members are reached as from this machine: through links. */
function keeperVariables(
  settings: ClusterSettings,
  view: MachineView,
  { postgres }: ServicePlace,
): Record<string, string> {
  if (postgres === undefined) {
    throw new CallerError(
      "invalid-request",
      "A db-keeper runs a PostgreSQL instance of its own: add a machine to the layout.",
    );
  }
  const file = (name: string) => secretFile(settings.secretsFolder, postgres.id, name);
  const password = (role: string) => file(`${role}.password`);
  return {
    UNDERSTUDY_DATABASE: settings.database,
    UNDERSTUDY_MEMBER: postgres.id,
    UNDERSTUDY_MEMBERS: Object.entries(view.databaseMembers)
      .map(([id, address]) => `${id}=${address}`)
      .join(","),
    UNDERSTUDY_POSTGRES_DATA_DIR: postgres.dataDir,
    UNDERSTUDY_POSTGRES_PORT: String(postgres.port),
    UNDERSTUDY_DATABASE_PASSWORD_FILE: password("superuser"),
    UNDERSTUDY_OWNER_PASSWORD_FILE: password("owner"),
    UNDERSTUDY_APPLICATION_PASSWORD_FILE: password("application"),
    UNDERSTUDY_REPLICATION_PASSWORD_FILE: password("replication"),
    UNDERSTUDY_BACKUP_PASSWORD_FILE: password("backup"),
    ...(settings.isEncrypted && {
      UNDERSTUDY_POSTGRES_CERTIFICATE_FILE: file("tls.crt"),
      UNDERSTUDY_POSTGRES_KEY_FILE: file("tls.key"),
      UNDERSTUDY_DATABASE_CA_FILE: file("ca.crt"),
    }),
    ...(view.natsNode !== undefined && { UNDERSTUDY_NATS_NODE: view.natsNode }),
    ...(view.databaseNatsNodes.length > 0 && {
      UNDERSTUDY_NATS_NODES_OF_MEMBERS: view.databaseNatsNodes.join(","),
    }),
  };
}
