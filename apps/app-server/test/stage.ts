import type { InstanceRef, VersionedSettings } from "@understudy/contracts";
import { standingSchema } from "@understudy/runtime";
import { eventually, NatsCluster, PostgresServer, ServiceProcess, TcpLink } from "@understudy/testkit";
import type pg from "pg";
import { ScriptedLeader, settingsWith } from "./scripted-leader.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** Everything an app server meets, real but for its message server, which a test scripts. */
export class Stage {
  /** The app server's cables to the NATS nodes. */
  readonly links: TcpLink[] = [];
  readonly #leaders: ScriptedLeader[] = [];
  readonly #services: ServiceProcess[] = [];
  #lastId = 0;
  #lastTerm = 0;

  private constructor(
    readonly nats: NatsCluster,
    readonly postgres: PostgresServer,
    readonly database: pg.Pool,
  ) {}

  static async open({ nodes = 1 }: { readonly nodes?: number } = {}): Promise<Stage> {
    const nats = await NatsCluster.start({ nodes });
    const postgres = await PostgresServer.start().catch(async (error: unknown) => {
      await nats.stop();
      throw error;
    });
    const stage = new Stage(nats, postgres, postgres.pool());
    await stage.database.query(standingSchema);
    for (const url of nats.servers)
      stage.links.push(await TcpLink.start({ target: { host: "127.0.0.1", port: Number(new URL(url).port) } }));
    return stage;
  }

  /** Ends what one test started; the engines stay. */
  async clear(): Promise<void> {
    for (const link of this.links) link.heal();
    await Promise.all(this.#services.splice(0).map((service) => service.kill()));
    await Promise.all(this.#leaders.splice(0).map((leader) => leader.vanish()));
  }

  async close(): Promise<void> {
    await this.clear();
    await Promise.all([this.nats.stop(), this.postgres.remove(), ...this.links.map((link) => link.stop())]);
  }

  /** A leader of a new term, which does not lead yet. */
  async leader(settings: VersionedSettings = settingsWith(), term = ++this.#lastTerm): Promise<ScriptedLeader> {
    const leader = new ScriptedLeader(await this.nats.connect(`leader-${term}`), this.database, settings, term);
    this.#lastTerm = Math.max(this.#lastTerm, term);
    this.#leaders.push(leader);
    return leader;
  }

  /** An app server that has been started and knows nobody yet. */
  async appServer(environment: Readonly<Record<string, string>> = {}): Promise<StagedServer> {
    const id = `app-server-${++this.#lastId}`;
    const service = ServiceProcess.launch({
      service: "@understudy/app-server",
      environment: { ...this.environment(id), ...environment },
    });
    this.#services.push(service);
    await service.started();
    return new StagedServer(id, service);
  }

  environment(id: string): Record<string, string> {
    return {
      UNDERSTUDY_ID: id,
      UNDERSTUDY_MACHINE: "machine-a",
      UNDERSTUDY_NATS_SERVERS: this.links.map(({ port }) => `nats://127.0.0.1:${port}`).join(","),
      UNDERSTUDY_NATS_USER: this.nats.user,
      UNDERSTUDY_NATS_PASSWORD_FILE: this.nats.passwordFile,
      UNDERSTUDY_DATABASE_URL: this.postgres.url,
      UNDERSTUDY_DATABASE_PASSWORD_FILE: this.postgres.passwordFile,
      UNDERSTUDY_DATABASE_CONNECTIONS: "4",
      UNDERSTUDY_APPLICATIONS: new URL("hosted/ledger.mjs", import.meta.url).href,
    };
  }

  /** Gives an incarnation its standing in a database of the test's own. */
  async accept({ id, incarnation }: InstanceRef, database: pg.Pool): Promise<void> {
    await database.query(standingSchema);
    await database.query(
      "INSERT INTO understudy.instance_standing (incarnation, id, machine, standing, term) VALUES ($1, $2, 'machine-a', 'accepted', 1)",
      [incarnation, id],
    );
  }

  async entries(): Promise<string[]> {
    const { rows } = await this.database.query<{ text: string }>("SELECT text FROM ledger");
    return rows.map(({ text }) => text);
  }

  async sessions(instance: InstanceRef): Promise<number> {
    const { rows } = await this.database.query<{ count: string }>(
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1",
      [`understudy:${instance.id}:${instance.incarnation}`],
    );
    return Number(rows[0]?.count);
  }
}

export class StagedServer {
  constructor(
    readonly id: string,
    readonly service: ServiceProcess,
  ) {}

  /** As of now. */
  get ref(): InstanceRef {
    const { incarnation } = this.service;
    if (incarnation === undefined) throw new Error(`${this.id} has not told its incarnation.`);
    return { id: this.id, incarnation };
  }

  /** Where balancers reach it: known from the log before it serves. */
  get url(): string {
    const url = this.service.log.findLast(({ msg }) => msg === "listens for users")?.["url"];
    if (typeof url !== "string") throw new Error(`${this.id} has not opened its listener:\n${this.service.output}`);
    return url;
  }

  async get(path: string): Promise<Answer> {
    return answerOf(await fetch(`${this.url}${path}`));
  }

  async post(path: string, body: unknown = {}): Promise<Answer> {
    const headers = { "content-type": "application/json" };
    return answerOf(await fetch(`${this.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
  }

  /** The reason that /readyz gives for its standing; empty while it serves. */
  async standing(): Promise<string> {
    const response = await fetch(`${this.service.opsUrl}/readyz`);
    const { conditions } = (await response.json()) as { conditions: Record<string, { reason: string }> };
    return conditions["standing"]?.reason ?? "unknown";
  }

  async metric(sample: string): Promise<number> {
    const text = await (await fetch(`${this.service.opsUrl}/metrics`)).text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${sample} `));
    return line === undefined ? 0 : Number(line.slice(sample.length + 1));
  }

  /** How often it has entered a standing. */
  async entered(standing: string): Promise<number> {
    return this.metric(`understudy_app_server_standing_changes_total{standing="${standing}"}`);
  }

  /** Resolves when it takes requests. */
  async serves(withinMs = 20_000): Promise<void> {
    await eventually(async () => (await this.get("/api/ledger/who")).status === 200, {
      withinMs,
      describe: `${this.id} serves`,
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.service.output}`, { cause: error });
    });
  }

  /** Resolves when its log has this message. */
  async logged(message: string | RegExp, withinMs = 20_000): Promise<void> {
    const fits = (msg = "") => (typeof message === "string" ? msg === message : message.test(msg));
    await eventually(() => this.service.log.some(({ msg }) => fits(msg)), {
      withinMs,
      describe: `${this.id} logs ${String(message)}`,
    });
  }
}

async function answerOf(response: Response): Promise<Answer> {
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}
