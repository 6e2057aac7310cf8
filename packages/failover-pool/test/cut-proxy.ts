/**
 * A proxy that cuts one connection at an exact byte, once, and then is an ordinary proxy again.
 *
 * - reset: the bytes before the cut arrive, then both sides are closed.
 * - keep: the bytes before the cut arrive, the client's side is closed, and the server's stays open; what the client
 *   had sent behind the cut waits and is delivered by `deliverLate` (a COMMIT in somebody's buffer).
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export type CutDirection = "to-server" | "to-client";

interface Cut {
  readonly direction: CutDirection;
  leftBytes: number;
  readonly how: "reset" | "keep";
}

export class CutProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: Cut | undefined;
  #late: { readonly upstream: Socket; readonly bytes: Buffer[] } | undefined;
  readonly bytes: Record<CutDirection, number> = { "to-server": 0, "to-client": 0 };
  readonly #kept: Socket[] = [];
  #refuses = false;
  cuts = 0;

  private constructor(private readonly targetPort: number) {
    this.#server = createServer({ noDelay: true }, (client) => this.#join(client));
  }

  static async start(targetPort: number): Promise<CutProxy> {
    const proxy = new CutProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get isArmed(): boolean {
    return this.#cut !== undefined;
  }

  /** Cuts the connection that carries this many bytes first, counted from now. */
  arm(direction: CutDirection, afterBytes: number, how: Cut["how"] = "reset"): void {
    this.#cut = { direction, leftBytes: afterBytes, how };
  }

  /** Ends every connection and takes no more, until it is told otherwise. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
    if (refuses) for (const socket of this.#sockets) socket.destroy();
  }

  disarm(): void {
    this.#cut = undefined;
  }

  /** What was held back by `keep` goes to the server now. */
  deliverLate(): void {
    const late = this.#late;
    this.#late = undefined;
    if (late === undefined || late.upstream.destroyed) return;
    this.#kept.push(late.upstream);
    for (const bytes of late.bytes) late.upstream.write(bytes);
  }

  /** Ends what `keep` left open at the server, as its keepalive would in the end. */
  dropKept(): void {
    for (const upstream of this.#kept.splice(0)) upstream.destroy();
  }

  get heldBackBytes(): number {
    return this.#late?.bytes.reduce((sum, bytes) => sum + bytes.length, 0) ?? 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket): void {
    if (this.#refuses) {
      client.destroy();
      return;
    }
    const upstream = connect({ port: this.targetPort, host: "127.0.0.1", noDelay: true });
    for (const [socket, other] of [[client, upstream] as const, [upstream, client] as const]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        if (this.#late?.upstream !== other) other.destroy();
      });
    }
    client.on("data", (bytes) => this.#pass("to-server", bytes, client, upstream));
    upstream.on("data", (bytes) => this.#pass("to-client", bytes, client, upstream));
  }

  #pass(direction: CutDirection, bytes: Buffer, client: Socket, upstream: Socket): void {
    this.bytes[direction] += bytes.length;
    const sink = direction === "to-server" ? upstream : client;
    const cut = this.#cut;
    if (cut === undefined || cut.direction !== direction || bytes.length <= cut.leftBytes) {
      if (cut?.direction === direction) cut.leftBytes -= bytes.length;
      if (!sink.destroyed) sink.write(bytes);
      return;
    }
    this.#cut = undefined;
    this.cuts++;
    const rest = bytes.subarray(cut.leftBytes);
    if (cut.how === "keep") this.#late = { upstream, bytes: [Buffer.from(rest)] };
    sink.write(bytes.subarray(0, cut.leftBytes), () => {
      client.destroy();
      if (cut.how === "reset") upstream.destroy();
    });
  }
}
