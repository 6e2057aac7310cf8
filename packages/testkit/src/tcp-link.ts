/**
 * A TCP proxy that does to connections what networks do: the cable between two parties.
 *
 * It owns a listening port and, for each accepted connection, two lanes (client to target, target to client).
 * A lane is
 * - flowing: `source.pipe(sink)`, nothing else on the way;
 * - shaped: chunks go through a queue that delays them and limits their rate, in order;
 * - held: nothing is read from its source, so the sender's buffers fill, as with a cable that was pulled.
 *
 * T1. While a direction is held, no byte, no end and no reset passes in it. New connections are accepted by the
 *     system (a listening socket cannot do otherwise) and hang: the target hears of them only after `heal`.
 * T2. After `heal` what was held flows again, in order and complete, as TCP would retransmit it; what ended
 *     meanwhile on one side ends then on the other.
 * T3. A reset of one side becomes a reset of the other, an end becomes an end.
 *
 * Unlike a real cable: the proxy's system acknowledges what it has taken, so a sender's TCP_USER_TIMEOUT does not
 * see a cut; and connecting through a cut link succeeds, then hears nothing. Where that matters: network-namespaces.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { resetSocket } from "./reset-socket.ts";
import { Lane, unshaped, type LaneShape } from "./tcp-lane.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Direction = "to-target" | "to-client";
const bothDirections: readonly Direction[] = ["to-target", "to-client"];

export interface TcpLinkOptions {
  readonly target: Address;
  /** 127.0.0.1. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port?: number;
}

export interface TcpLinkCounters {
  readonly accepted: number;
  /** Connections that stand, those that hang included. */
  readonly open: number;
  readonly bytesToTarget: number;
  readonly bytesToClient: number;
}

class Connection {
  readonly lanes: Readonly<Record<Direction, Lane>>;

  constructor(
    readonly client: Socket,
    readonly target: Socket,
  ) {
    const reset = () => this.reset();
    this.lanes = { "to-target": new Lane(client, target, reset), "to-client": new Lane(target, client, reset) };
  }

  reset(): void {
    resetSocket(this.client);
    resetSocket(this.target);
  }

  get isOver(): boolean {
    return this.client.closed && this.target.closed;
  }
}

export class TcpLink {
  readonly #server: Server;
  readonly #target: Address;
  readonly #connections = new Set<Connection>();
  /** Accepted while a direction was held. */
  readonly #hanging = new Set<Socket>();
  readonly #held = new Set<Direction>();
  readonly #shapes: Record<Direction, LaneShape> = { "to-target": unshaped, "to-client": unshaped };
  #accepted = 0;
  readonly #bytesOfClosed: Record<Direction, number> = { "to-target": 0, "to-client": 0 };

  private constructor(target: Address) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) =>
      this.#accept(client),
    );
  }

  static async start(options: TcpLinkOptions): Promise<TcpLink> {
    const link = new TcpLink(options.target);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen({ host: options.host ?? "127.0.0.1", port: options.port ?? 0, backlog: 1_024 }, resolve);
    });
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** True while a direction is held. */
  get isCut(): boolean {
    return this.#held.size > 0;
  }

  get counters(): TcpLinkCounters {
    let bytesToTarget = this.#bytesOfClosed["to-target"];
    let bytesToClient = this.#bytesOfClosed["to-client"];
    for (const { client, target } of this.#connections) {
      bytesToTarget += target.bytesWritten;
      bytesToClient += client.bytesWritten;
    }
    return {
      accepted: this.#accepted,
      open: this.#connections.size + this.#hanging.size,
      bytesToTarget,
      bytesToClient,
    };
  }

  /** Pulls the cable: connections stay open, nothing passes, new ones hang. */
  cut(): void {
    for (const direction of bothDirections) this.#held.add(direction);
    this.#apply();
  }

  /** Holds one direction only. New connections hang, since a handshake needs both. */
  halfOpen(direction: Direction): void {
    this.#held.add(direction);
    this.#apply();
  }

  /** Ends every cut (T2); shapes stay. */
  heal(): void {
    this.#held.clear();
    this.#apply();
    for (const client of this.#hanging) {
      this.#hanging.delete(client);
      this.#join(client);
    }
  }

  /** Resets every connection on both sides; new ones are accepted as before. */
  reset(): void {
    for (const connection of this.#connections) connection.reset();
    for (const client of this.#hanging) resetSocket(client);
    this.#hanging.clear();
  }

  /** Delay, rate and length of life for connections, those that stand included; what is not named is without limit. */
  shape(shape: Partial<LaneShape>, directions: readonly Direction[] = bothDirections): void {
    for (const direction of directions) this.#shapes[direction] = { ...unshaped, ...shape };
    this.#apply();
  }

  /** Closes the port and every connection. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.reset();
    await closed;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    client.on("error", () => undefined);
    if (!this.isCut) return this.#join(client);
    this.#hanging.add(client);
    client.once("close", () => this.#hanging.delete(client));
  }

  #join(client: Socket): void {
    if (client.destroyed) return;
    const target = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const connection = new Connection(client, target);
    this.#connections.add(connection);
    const closed = () => {
      if (!connection.isOver || !this.#connections.delete(connection)) return;
      this.#bytesOfClosed["to-target"] += target.bytesWritten;
      this.#bytesOfClosed["to-client"] += client.bytesWritten;
    };
    client.once("close", closed);
    target.once("close", closed);
    this.#applyTo(connection);
  }

  #apply(): void {
    for (const connection of this.#connections) this.#applyTo(connection);
  }

  #applyTo(connection: Connection): void {
    for (const direction of bothDirections)
      connection.lanes[direction].apply(this.#held.has(direction), this.#shapes[direction]);
  }
}
