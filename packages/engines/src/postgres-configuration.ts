/** What stands in the configuration files of one PostgreSQL instance, as pure functions of its options. */

export interface PostgresOptions {
  /** Such as `postgres-a`. */
  readonly name: string;
  readonly dataDir: string;
  readonly host?: string;
  readonly port: number;
  readonly superuser?: string;
  readonly password: string;
  /** Made by `postgresReady` when it is missing. */
  readonly database: string;
  /** Settings of postgresql.conf, over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where given, it speaks TLS only. */
  readonly tls?: PostgresTls;
  /** For an instance that is, or may become, part of a replicated database. */
  readonly replication?: ReplicationOptions;
}

/** PEM, not paths: the server reads them as another user than ours. */
export interface PostgresTls {
  readonly certificate: string;
  readonly key: string;
  /** Whom a standby believes that it is its primary. */
  readonly authority: string;
}

/** An instance's place in a replicated database. Plain data: written anew before each start and each reload. */
export interface ReplicationOptions {
  /** The role that keepers and standbys connect as; let in even while clients are kept out. */
  readonly user: string;
  readonly password: string;
  /** The role that standbys get their log as; `user` where not given. */
  readonly streaming?: { readonly user: string; readonly password: string };
  /** Who else is let in, and for what; where not given everybody who has a password. */
  readonly admits?: AdmittedRoles;
  /** Where a standby gets its log from; a primary has none. */
  readonly upstream?: PostgresAddress;
  /** What commits wait for; absent or nobody: for nothing but the own disk. */
  readonly synchronous?: SynchronousStandbys;
  /** closed: only `user` is let in, clients are refused (28000). open by default. */
  readonly access?: "open" | "closed";
}

export interface AdmittedRoles {
  /** Into this database only. */
  readonly database: string;
  readonly clients: readonly string[];
  /** May copy the whole instance and get its log. */
  readonly backup: string;
}

export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
}

/** Commits wait until `count` of `standbys` (their names) have them on disk. */
export interface SynchronousStandbys {
  readonly count: number;
  readonly standbys: readonly string[];
}

export const defaultHost = "127.0.0.1";
export const defaultSuperuser = "postgres";

/** Passwords everywhere, the machine's own sockets included. */
export function hostBasedAuthentication(replication?: ReplicationOptions, hasTls = false): string {
  const host = hasTls ? "hostssl" : "host";
  if (replication === undefined)
    return `# Written at every start.
local all all scram-sha-256
local replication all scram-sha-256
${host} all all all scram-sha-256
${host} replication all all scram-sha-256
`;
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const { user, streaming, access, admits } = replication;
  const streamers = [...new Set([user, streaming?.user ?? user])].map(quoted).join(",");
  return `# Written at every start and change.
${host} replication ${streamers} all scram-sha-256
${host} all ${quoted(user)} all scram-sha-256
${access === "closed" ? "# Clients are kept out for now." : clientLines(admits, host).join("\n")}
`;
}

function clientLines(admits: AdmittedRoles | undefined, host: "host" | "hostssl"): string[] {
  if (admits === undefined) return [`${host} all all all scram-sha-256`];
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  return [
    `${host} ${quoted(admits.database)} ${admits.clients.map(quoted).join(",")} all scram-sha-256`,
    `${host} replication ${quoted(admits.backup)} all scram-sha-256`,
  ];
}

const quotedSetting = (value: string): string => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

export function postgresSettings(options: PostgresOptions): string {
  const settings: Record<string, string> = {
    listen_addresses: options.host ?? defaultHost,
    port: String(options.port),
    // No unix socket: its path would be too long in many places, and everything connects over TCP.
    unix_socket_directories: "",
    cluster_name: options.name,
    max_connections: "200",
    shared_buffers: "64MB",
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    wal_level: "replica",
    password_encryption: "scram-sha-256",
    // D5: what a machine that fell silent had open ends in seconds, not in hours.
    tcp_keepalives_idle: "5",
    tcp_keepalives_interval: "2",
    tcp_keepalives_count: "3",
    tcp_user_timeout: "10000",
    timezone: "UTC",
    log_timezone: "UTC",
    log_min_messages: "warning",
    log_checkpoints: "off",
    log_line_prefix: "%m [%p] %a ",
    ...(options.tls && tlsSettings),
    ...(options.replication && replicationSettings(options.name, options.replication, options.tls !== undefined)),
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([key, value]) => {
    if (!/^[a-z_][a-z0-9_.]*$/i.test(key)) throw new RangeError(`${key} is not the name of a PostgreSQL setting.`);
    return `${key} = ${quotedSetting(value)}`;
  });
  return `# Written at every start.\n${lines.join("\n")}\n`;
}

/** The value of `synchronous_standby_names`; names are quoted, since ids have hyphens. */
export function synchronousStandbyNames(synchronous: SynchronousStandbys | undefined): string {
  if (synchronous === undefined || synchronous.standbys.length === 0) return "";
  const names = synchronous.standbys.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
  return `ANY ${synchronous.count} (${names})`;
}

/** Lies in the data folder, which is the working directory of every PostgreSQL process. */
export const passwordFileName = "understudy.pgpass";

/** One value of a connection string. */
export const connectionValue = (value: string): string =>
  `'${value.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`;

/** One line of libpq's password file. */
export function passwordFileLine(replication: Pick<ReplicationOptions, "user" | "password" | "streaming">): string {
  const { user, password } = replication.streaming ?? replication;
  const field = (value: string) => value.replaceAll("\\", "\\\\").replaceAll(":", String.raw`\:`);
  return `*:*:*:${field(user)}:${field(password)}\n`;
}

/** In the data folder, as all that the server reads. */
export const tlsFiles = {
  certificate: "understudy-tls.crt",
  key: "understudy-tls.key",
  authority: "understudy-ca.crt",
} as const;

const tlsSettings: Record<string, string> = {
  ssl: "on",
  ssl_cert_file: tlsFiles.certificate,
  ssl_key_file: tlsFiles.key,
  ssl_min_protocol_version: "TLSv1.3",
};

function replicationSettings(name: string, replication: ReplicationOptions, hasTls: boolean): Record<string, string> {
  const { upstream } = replication;
  const { user } = replication.streaming ?? replication;
  return {
    hot_standby: "on",
    max_wal_senders: "10",
    max_replication_slots: "10",
    // A standby that is away longer than this lasts is cloned anew; slots would fill the primary's disk instead.
    wal_keep_size: "256MB",
    wal_log_hints: "on",
    synchronous_standby_names: synchronousStandbyNames(replication.synchronous),
    // With the default (5 s) a standby without its primary sleeps that long before it hears that it is promoted.
    wal_retrieve_retry_interval: "100ms",
    wal_receiver_status_interval: "1s",
    // An idle primary is asked for a sign of life after half of it.
    wal_receiver_timeout: "3s",
    wal_sender_timeout: "5s",
    recovery_target_timeline: "latest",
    // A reader on the standby must not hold up its promotion.
    max_standby_streaming_delay: "500ms",
    // A crash of one backend ends all: after recovery commits show that nobody acknowledged, so the keeper decides.
    restart_after_crash: "off",
    ...(upstream && {
      primary_conninfo: Object.entries({
        host: upstream.host,
        port: String(upstream.port),
        user,
        application_name: name,
        passfile: passwordFileName,
        connect_timeout: "3",
        keepalives_idle: "3",
        keepalives_interval: "1",
        keepalives_count: "3",
        tcp_user_timeout: "5000",
        ...(hasTls ? { sslmode: "verify-full", sslrootcert: tlsFiles.authority } : { sslmode: "prefer" }),
      })
        .map(([key, value]) => `${key}=${connectionValue(value)}`)
        .join(" "),
    }),
  };
}
