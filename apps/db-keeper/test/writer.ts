/**
 * Writes one row after another into whatever instance is the primary, with plain `pg` and a retry loop, and remembers
 * which rows were acknowledged and when. A row whose answer was lost is sent again under the same key.
 */
import pg from "pg";

export interface Host {
  readonly member: string;
  readonly port: number;
}

export interface Acknowledged {
  readonly key: number;
  readonly at: number;
  readonly member: string;
}

const tryAgainMs = 5;

export class Writer {
  /** Each writer has keys of its own: a row that is there already would be acknowledged without being written. */
  static #begun = 0;
  readonly acknowledged: Acknowledged[] = [];
  /** Attempts that ended with an error. */
  failures = 0;
  #isStopped = false;
  #done: Promise<void> = Promise.resolve();
  #client: pg.Client | undefined;

  constructor(
    private readonly hosts: readonly Host[],
    private readonly password: string,
    private readonly database: string,
    private readonly everyMs = 2,
    private readonly authority?: string,
  ) {}

  static readonly table = "CREATE TABLE IF NOT EXISTS written (key bigint PRIMARY KEY, at timestamptz DEFAULT now())";

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    // A commit that waits for a standby would keep it for ever.
    const timer = setTimeout(() => this.#client?.connection.stream.destroy(), 2_000);
    await this.#done;
    clearTimeout(timer);
  }

  /** The first acknowledgement after `at`, now or when it comes. */
  async acknowledgedAfter(at: number, withinMs = 15_000): Promise<Acknowledged> {
    for (const deadline = performance.now() + withinMs; performance.now() < deadline;) {
      const last = this.acknowledged.at(-1);
      if (last !== undefined && last.at > at) return this.acknowledged.find((each) => each.at > at) ?? last;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`Nothing was acknowledged within ${withinMs} ms.`);
  }

  async #run(): Promise<void> {
    let key = ++Writer.#begun * 1_000_000;
    while (!this.#isStopped) {
      const host = this.hosts[this.#turn % this.hosts.length] as Host;
      try {
        const client = await this.#connect(host);
        while (!this.#isStopped) {
          await this.#write(client, key, host);
          key += 1;
          if (this.everyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.everyMs));
        }
      } catch {
        this.failures += 1;
        this.#turn += 1;
        await new Promise((resolve) => setTimeout(resolve, tryAgainMs));
      } finally {
        this.#client?.connection.stream.destroy();
        this.#client = undefined;
      }
    }
  }
  #turn = 0;

  async #connect({ port }: Host): Promise<pg.Client> {
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      user: "postgres",
      password: this.password,
      database: this.database,
      connectionTimeoutMillis: 1_000,
      // A frozen machine resets nothing.
      query_timeout: 3_000,
      ...(this.authority !== undefined && { ssl: { ca: this.authority } }),
    });
    client.on("error", () => undefined);
    this.#client = client;
    await client.connect();
    const { rows } = await client.query<{ recovering: boolean }>("SELECT pg_is_in_recovery() AS recovering");
    if (rows[0]?.recovering !== false) throw new Error("not the primary");
    return client;
  }

  async #write(client: pg.Client, key: number, { member }: Host): Promise<void> {
    let isWarned = false;
    // D4: a wait for the standby that was ended counts as no answer.
    client.once("notice", () => (isWarned = true));
    await client.query("INSERT INTO written (key) VALUES ($1) ON CONFLICT DO NOTHING", [key]);
    client.removeAllListeners("notice");
    if (isWarned) throw new Error("the wait for the standby was ended");
    this.acknowledged.push({ key, at: Date.now(), member });
  }
}
