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
}

export const defaultHost = "127.0.0.1";
export const defaultSuperuser = "postgres";

/** Passwords everywhere, the machine's own sockets included. */
export const hostBasedAuthentication = `# Written at every start.
local all all scram-sha-256
local replication all scram-sha-256
host all all all scram-sha-256
host replication all all scram-sha-256
`;

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
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([key, value]) => {
    if (!/^[a-z_][a-z0-9_.]*$/i.test(key)) throw new RangeError(`${key} is not the name of a PostgreSQL setting.`);
    return `${key} = ${quotedSetting(value)}`;
  });
  return `# Written at every start.\n${lines.join("\n")}\n`;
}
