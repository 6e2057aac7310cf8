/**
 * The NATS connections of one process: the main one for everything, and a lifeline to each NATS node.
 *
 * A lifeline carries only what must not depend on one node: heartbeats and the answer to probes. While any
 * lifeline stands, a probe is answered, so a 503 on the instance's own subject means that the process is gone, not
 * that its NATS node is (DESIGN 3 and 4: the loss of a mere NATS node deposes nobody).
 */
import { AuthorizationError, connect, PermissionViolationError, type NatsConnection } from "@nats-io/transport-node";
import type { Log } from "../log.ts";
import { Backoff, pause } from "../wait.ts";
import { loginOptions, misfitOf, refusalOf, type NatsLogin } from "./login.ts";

export interface NatsSettings extends NatsLogin {
  /** `nats://host:port`, the node on the own machine first. */
  readonly servers: readonly string[];
  /** Connection name shown by the server. */
  readonly name: string;
}

export interface NatsConnectionState {
  readonly server: string;
  readonly connected: boolean;
}

/** Whether a lifeline stands at this moment. A request through one that does not only waits for its time-out. */
export interface LifelineState {
  readonly connected: boolean;
}

// Two missed pings close a connection: a silent node is noticed after 2-3 s. The client's default is 2 min.
const pingIntervalMs = 1_000;
const maxPingsOut = 2;

// A node that is away is tried again soon. Who is refused asks ever less often: only an operator can mend that.
const awayMs = 100;
const refusedFirstMs = 500;
const refusedMostMs = 30_000;

/** One connection to `servers` and how soon it is tried again. */
class Dial {
  readonly #refused = new Backoff(refusedFirstMs, refusedMostMs);
  #refusals = 0;
  #said = new Set<string>();

  constructor(
    readonly settings: NatsSettings,
    readonly servers: readonly string[],
    private readonly name: string,
    private readonly log: Log,
  ) {}

  open(): Promise<NatsConnection> {
    return connect({
      servers: [...this.servers],
      name: this.name,
      noRandomize: true,
      // Only the configured addresses: learnt ones may not be reachable from here (NAT, containers).
      ignoreClusterUpdates: true,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => (this.#refusals > 0 ? this.#refused.nextMs() : awayMs * (1 + Math.random())),
      pingInterval: pingIntervalMs,
      maxPingOut: maxPingsOut,
      timeout: 2_000,
      waitOnFirstConnect: false,
      ...loginOptions(this.settings),
    });
  }

  /** Whether it was a refusal. Said once, until it is let in again. */
  refused(reason: string | undefined): boolean {
    if (reason === undefined) return false;
    this.#refusals += 1;
    this.once(reason, () => this.log.error({ servers: this.servers }, reason));
    return true;
  }

  letIn(): void {
    this.#refusals = 0;
    this.#refused.reset();
    this.#said = new Set();
  }

  once(what: string, say: () => void): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    say();
  }

  nextRefusedMs(): number {
    return this.#refused.nextMs();
  }
}

/** Connects, trying again without end until it stands or `signal` aborts. */
async function connectPatiently(dial: Dial, log: Log, signal: AbortSignal): Promise<NatsConnection | undefined> {
  const backoff = new Backoff(100, 2_000);
  for (let attempt = 1; !signal.aborted; attempt++) {
    let isRefused: boolean;
    try {
      const connection = await dial.open();
      isRefused = dial.refused(await misfitOf(connection, dial.settings));
      if (!isRefused && !signal.aborted) {
        dial.letIn();
        return connection;
      }
      await connection.close();
    } catch (error) {
      isRefused = dial.refused(refusalOf(error));
      // Once is normal at a start; then say it, but not in a loop.
      if (!isRefused && (attempt === 5 || attempt % 50 === 0)) {
        log.warn({ servers: dial.servers, attempt, reason: (error as Error).message }, "waiting for NATS");
      }
    }
    await pause(isRefused ? dial.nextRefusedMs() : backoff.nextMs(), signal);
  }
  return undefined;
}

class Link {
  connected = true;
  constructor(
    readonly connection: NatsConnection,
    readonly server: string,
    dial: Dial,
    onChange: () => void,
    log: Log,
  ) {
    void (async () => {
      for await (const status of connection.status()) {
        const before = this.connected;
        if (status.type === "disconnect" || status.type === "staleConnection") this.connected = false;
        else if (status.type === "reconnect") {
          this.connected = true;
          dial.letIn();
        } else if (status.type === "error") {
          const { error } = status;
          if (error instanceof AuthorizationError) dial.refused(refusalOf(error));
          else if (error instanceof PermissionViolationError) {
            // What is not allowed now is not allowed the next time either: said once for each subject.
            dial.once(`${error.operation} ${error.subject}`, () =>
              log.error({ server, operation: error.operation, subject: error.subject }, "NATS does not allow this"),
            );
          } else log.warn({ server, error: String(error) }, "NATS reported an error");
        }
        if (before !== this.connected) onChange();
      }
    })();
  }
}

export class NatsConnections {
  readonly #lifelines: Link[] = [];
  readonly #onLifeline: ((connection: NatsConnection, server: string, link: LifelineState) => void)[] = [];
  readonly #onState: ((connected: boolean) => void)[] = [];
  readonly #abort = new AbortController();
  #link: Link;

  private constructor(
    main: NatsConnection,
    private readonly settings: NatsSettings,
    private readonly log: Log,
    dial: Dial,
  ) {
    this.#link = new Link(
      main,
      "main",
      dial,
      () => {
        log[this.#link.connected ? "info" : "warn"](
          { server: main.getServer() },
          this.#link.connected ? "NATS is back" : "NATS connection lost",
        );
        for (const listener of this.#onState) listener(this.#link.connected);
      },
      log,
    );
  }

  /** Waits until one NATS node answers; undefined when `signal` aborted before. */
  static async open(settings: NatsSettings, log: Log, signal: AbortSignal): Promise<NatsConnections | undefined> {
    const dial = new Dial(settings, settings.servers, settings.name, log);
    const main = await connectPatiently(dial, log, signal);
    return main && new NatsConnections(main, settings, log, dial);
  }

  /** Where this process hears what is meant for it alone; undefined for the client library's own. */
  get inboxPrefix(): string | undefined {
    return this.settings.seed === undefined ? undefined : this.settings.inboxPrefix;
  }

  /** The connection for requests, subscriptions, KV and streams. It reconnects by itself, for ever. */
  get main(): NatsConnection {
    return this.#link.connection;
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  onConnected(listener: (connected: boolean) => void): void {
    this.#onState.push(listener);
  }

  /** Opens a lifeline to each node; returns at once, those that are away are tried again for ever. */
  openLifelines(): void {
    for (const [index, server] of this.settings.servers.entries()) {
      const dial = new Dial(this.settings, [server], `${this.settings.name}:lifeline-${index}`, this.log);
      void connectPatiently(dial, this.log, this.#abort.signal).then((connection) => {
        if (connection === undefined) return;
        const link = new Link(connection, server, dial, () => undefined, this.log);
        this.#lifelines.push(link);
        for (const listener of this.#onLifeline) listener(connection, server, link);
      });
    }
  }

  /** Calls `listener` for each lifeline that stands now and for each that comes; subscriptions survive reconnects. */
  onLifeline(listener: (connection: NatsConnection, server: string, link: LifelineState) => void): void {
    this.#onLifeline.push(listener);
    for (const link of this.#lifelines) listener(link.connection, link.server, link);
  }

  /** Sends through every lifeline that stands; true when at least one did. */
  publishEverywhere(subject: string, payload: string): boolean {
    let sent = false;
    for (const link of this.#lifelines) {
      if (!link.connected || link.connection.isClosed()) continue;
      link.connection.publish(subject, payload);
      sent = true;
    }
    return sent;
  }

  get lifelines(): readonly NatsConnectionState[] {
    return this.settings.servers.map((server) => ({
      server,
      connected: this.#lifelines.some((link) => link.server === server && link.connected),
    }));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled([
      this.#link.connection.drain(),
      ...this.#lifelines.map((link) => link.connection.close()),
    ]);
  }
}
