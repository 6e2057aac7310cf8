/**
 * The one URL: owns its listening socket and hands each accepted connection to a load balancer.
 *
 * Because the socket belongs to the supervisor it outlives every balancer: a client that connects while one dies is
 * given to the other, and one that connects while both are down waits.
 *
 * Invariants:
 * - A connection is handed over at most once and its bytes are not touched here (`pauseOnConnect`).
 * - First choice are balancers that accept and answer pings, in turn; else one that accepts and was only slow to
 *   answer; else the connection waits, at most `waitMs` and `waitingMost` of them, then it is closed. A frozen
 *   balancer gets none: it would hold it for as long as it is frozen.
 * - A balancer has one ping under way at a time, so a frozen one does not fill its channel.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { SupervisorMessage } from "@understudy/contracts";
import { OperationalError } from "@understudy/runtime/errors";

/** A load balancer as the front door sees it. */
export interface DoorBalancer {
  readonly id: string;
  /** It lives and said that it takes connections. */
  acceptsConnections(): boolean;
  /** False when it could not be told. */
  send(message: SupervisorMessage, socket?: Socket): boolean;
}

export interface FrontDoorTimes {
  readonly pingMs: number;
  /** A ping unanswered for so long: busy, frozen or gone; others come first. */
  readonly unansweredMs: number;
  /** Unanswered for so long: frozen or gone. */
  readonly silentMs: number;
  readonly waitMs: number;
  readonly waitingMost: number;
}

export const standardFrontDoorTimes: FrontDoorTimes = {
  pingMs: 100,
  unansweredMs: 300,
  silentMs: 1_500,
  waitMs: 10_000,
  waitingMost: 1_000,
};

export interface BalancerCondition {
  readonly accepts: boolean;
  /** How long its latest ping is unanswered; 0 when it was answered. */
  readonly unansweredForMs: number;
}

/** The index of the balancer for the next connection, going on after `last`; -1: none. */
export function chooseBalancer(
  conditions: readonly BalancerCondition[],
  last: number,
  times: Pick<FrontDoorTimes, "unansweredMs" | "silentMs">,
): number {
  const inTurn = conditions.map((_, step) => (last + 1 + step) % conditions.length);
  const acceptsWithin = (mostMs: number) =>
    inTurn.find((index) => {
      const condition = conditions[index];
      return condition?.accepts === true && condition.unansweredForMs < mostMs;
    });
  return acceptsWithin(times.unansweredMs) ?? acceptsWithin(times.silentMs) ?? -1;
}

interface Waiting {
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
}

export class FrontDoor {
  readonly #server: Server;
  readonly #pingedAt = new Map<DoorBalancer, number>();
  readonly #waiting = new Set<Waiting>();
  #pings: NodeJS.Timeout | undefined;
  #last = -1;

  constructor(
    private readonly balancers: readonly DoorBalancer[],
    private readonly times: FrontDoorTimes = standardFrontDoorTimes,
  ) {
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#take(socket));
  }

  /** Listens on `port`; when it is taken on one of the next, else on any free one (so with 0). Returns the port. */
  async start(host: string, port: number): Promise<number> {
    const candidates = port === 0 ? [0] : [...Array.from({ length: 10 }, (_, step) => port + step), 0];
    let listening: number | undefined;
    for (const candidate of candidates.filter((each) => each <= 65_535)) {
      listening ??= await this.#listen(host, candidate);
    }
    if (listening === undefined) throw new OperationalError("unavailable", `Nothing can listen on ${host}.`);
    this.#pings = setInterval(() => this.#ping(), this.times.pingMs);
    this.#server.on("error", () => undefined);
    return listening;
  }

  /**
   * Takes no more connections; those that wait are closed. Whoever is in stays with his balancer, which decides how
   * long: Node tells that the server is closed only when the last of them has gone, so nobody waits for it.
   */
  stop(): void {
    clearInterval(this.#pings);
    for (const waiting of this.#waiting) this.#giveUp(waiting);
    this.#server.close();
  }

  /** A balancer answered its ping. */
  onPong(balancer: DoorBalancer): void {
    this.#pingedAt.delete(balancer);
    if (this.#waiting.size > 0) this.onBalancersChanged();
  }

  /** A balancer came, went or changed its mind; who waits may have somewhere to go now. */
  onBalancersChanged(): void {
    for (const balancer of this.balancers) if (!balancer.acceptsConnections()) this.#pingedAt.delete(balancer);
    for (const waiting of this.#waiting) {
      if (this.#handOver(waiting.socket)) this.#forget(waiting);
    }
  }

  get waitingConnections(): number {
    return this.#waiting.size;
  }

  #listen(host: string, port: number): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => {
        this.#server.off("listening", onListening);
        if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
        else reject(error);
      };
      const onListening = () => {
        this.#server.off("error", onError);
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : undefined);
      };
      this.#server.once("error", onError);
      this.#server.once("listening", onListening);
      this.#server.listen({ host, port, backlog: 1_024 });
    });
  }

  #take(socket: Socket): void {
    socket.on("error", () => undefined);
    if (this.#handOver(socket)) return;
    if (this.#waiting.size >= this.times.waitingMost) {
      socket.destroy();
      return;
    }
    const waiting: Waiting = { socket, timer: setTimeout(() => this.#giveUp(waiting), this.times.waitMs) };
    this.#waiting.add(waiting);
  }

  #handOver(socket: Socket): boolean {
    const now = performance.now();
    const conditions = this.balancers.map((balancer) => ({
      accepts: balancer.acceptsConnections(),
      unansweredForMs: now - (this.#pingedAt.get(balancer) ?? now),
    }));
    for (let tries = 0; tries < this.balancers.length; tries++) {
      const index = chooseBalancer(conditions, this.#last, this.times);
      const balancer = this.balancers[index];
      if (balancer === undefined) return false;
      this.#last = index;
      if (balancer.send({ type: "connection" }, socket)) return true;
      conditions[index] = { accepts: false, unansweredForMs: 0 };
    }
    return false;
  }

  #ping(): void {
    for (const balancer of this.balancers) {
      if (this.#pingedAt.has(balancer) || !balancer.acceptsConnections()) continue;
      if (balancer.send({ type: "ping" })) this.#pingedAt.set(balancer, performance.now());
    }
  }

  #giveUp(waiting: Waiting): void {
    this.#forget(waiting);
    waiting.socket.destroy();
  }

  #forget(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(waiting);
  }
}
