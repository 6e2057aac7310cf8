/**
 * The side of the users: connections, the limits on what comes over them, and the way out of both at a stop.
 *
 * Connections come from the own port and, accepted by a front door, over `takeConnection`. Requests that are fit to
 * be forwarded become exchanges; all others are answered here.
 *
 * - F1. One parser, strict; what it refuses is answered 4xx and the connection closed, and nothing is ever written
 *   into the answer of another request.
 * - F2. With a certificate there is TLS and nothing else on the port, and users are told to come back over TLS only
 *   (HSTS). A handshake counts as a connection from its first moment.
 * - F3. Draining: answers say `Connection: close`; a connection without a request is closed only when it was idle for
 *   a while, so that whoever is about to send on it is not cut.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as HttpsServer } from "node:https";
import { Server as TcpServer, type AddressInfo, type Socket } from "node:net";
import { Exchange } from "../exchange/exchange.ts";
import type { Traffic } from "../exchange/traffic.ts";
import { ClientConnection } from "./client-connection.ts";
import type { EdgeCertificate } from "./edge-certificate.ts";
import { answerProblem, problems, problemText, type Problem } from "./problem.ts";
import { readRequestHead } from "./request-head.ts";
import { refuseConnect } from "./upgrade.ts";

export interface FrontLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaderFields: number;
  readonly maxConnections: number;
  /** Requests at once on one connection. */
  readonly maxPipelined: number;
  /** Until the head of a request has come, from its first byte or from the connection's beginning. */
  readonly headersTimeoutMs: number;
  /** Until the whole request has come. */
  readonly requestTimeoutMs: number;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number;
}

const drainIdleMs = 1_000;
const drainStepMs = 50;
const drainGraceMs = 250;
/** How long the rest of a refused request is still read, so that the answer is not lost in a reset. */
const lingerMs = 500;

export class FrontServer {
  readonly #server: Server;
  readonly #connections = new Map<Socket, ClientConnection>();
  /** TCP connections below TLS, those in their handshake included. */
  readonly #encrypted = new Set<Socket>();
  #isDraining = false;

  constructor(
    private readonly traffic: Traffic,
    private readonly limits: FrontLimits,
    private readonly certificate?: EdgeCertificate,
  ) {
    const options = {
      insecureHTTPParser: false,
      // Checked with the rest of the head.
      requireHostHeader: false,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      keepAliveTimeout: limits.keepAliveMs,
      noDelay: true,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse) => this.#onRequest(request, response);
    if (certificate === undefined) this.#server = createServer(options, onRequest);
    else {
      const handshake = { handshakeTimeout: limits.headersTimeoutMs, ALPNProtocols: ["http/1.1"] };
      this.#server = createTlsServer({ ...options, ...certificate.current, ...handshake }, onRequest);
      this.#server.prependListener("connection", (socket: Socket) => this.#onEncrypted(socket));
    }
    // Beyond this number Node would drop fields silently; they are counted here instead.
    this.#server.maxHeadersCount = 0;
    this.#server
      .on(certificate ? "secureConnection" : "connection", (socket: Socket) => this.#onConnection(socket))
      .on("clientError", (error: Error & { code?: string }, socket) => this.#onClientError(error, socket as Socket))
      .on("checkContinue", (request, response) => this.#onRequest(request, response, true))
      .on("checkExpectation", (request, response) => this.#refuse(request, response, problems.expectation));
    refuseConnect(this.#server);
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** The URL at which it listens. */
  async listen(host: string, port: number): Promise<string> {
    this.#server.listen({ host, port, backlog: 4_096 });
    await once(this.#server, "listening");
    this.certificate?.watch((pair) => {
      if (this.#server instanceof HttpsServer) this.#server.setSecureContext(pair);
    });
    const { port: bound } = this.#server.address() as AddressInfo;
    return `${this.certificate ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${bound}`;
  }

  /** A connection that a front door has accepted. */
  takeConnection(socket: Socket): void {
    socket.setNoDelay(true);
    this.#server.emit("connection", socket);
  }

  /** Answers on the connections that stand now say `Connection: close`: their users come back through the front door. */
  sendAway(): void {
    for (const connection of this.#connections.values()) connection.closesSoon = true;
  }

  /** F3. New connections are still served, but the port takes none any more after `close`. */
  beginDrain(): void {
    this.#isDraining = true;
    this.sendAway();
  }

  /** Waits until no connection is left, at most `atMostMs`; the rest is cut. */
  async close(atMostMs: number): Promise<void> {
    // Not the HTTP server's own `close`: it cuts idle connections at once (F3).
    TcpServer.prototype.close.call(this.#server);
    const beganMs = performance.now();
    const deadlineMs = beganMs + atMostMs;
    const isWaitedFor = (nowMs: number) =>
      // Connections that the front door sent before it heard of the drain are on their way.
      nowMs < deadlineMs && (this.#connections.size > 0 || nowMs < beganMs + drainGraceMs);
    while (isWaitedFor(performance.now())) {
      await new Promise((resolve) => setTimeout(resolve, drainStepMs));
      const nowMs = performance.now();
      for (const { isIdle, idleSinceMs, socket } of this.#connections.values()) {
        if (isIdle && nowMs - Math.max(idleSinceMs, beganMs) > drainIdleMs) socket.end();
      }
    }
    for (const socket of this.#connections.keys()) socket.destroy();
    for (const socket of this.#encrypted) socket.destroy();
    this.certificate?.stop();
    this.#server.close();
  }

  /** F2 */
  #onEncrypted(socket: Socket): void {
    // Without TLS there is nothing that could be said.
    if (this.#encrypted.size >= this.limits.maxConnections) return void socket.destroy();
    this.#encrypted.add(socket);
    socket.once("close", () => this.#encrypted.delete(socket));
  }

  #onConnection(socket: Socket): void {
    const connection = new ClientConnection(socket, this.traffic.nowMs);
    connection.closesSoon = this.#isDraining;
    socket.once("close", () => {
      this.#connections.delete(socket);
      connection.cancelAll();
    });
    if (this.#connections.size >= this.limits.maxConnections) {
      socket.end(problemText(problems.tooManyConnections));
      linger(socket);
      return;
    }
    this.#connections.set(socket, connection);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue = false): void {
    const startedAtMs = performance.now();
    this.traffic.nowMs = startedAtMs;
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      response.destroy();
      return;
    }
    // The connection ends with the answer to the one before.
    if (connection.isClosing) return;
    if (request.rawHeaders.length > 2 * this.limits.maxHeaderFields) {
      return this.#refuse(request, response, problems.tooManyHeaders);
    }
    if (connection.inWork.length >= this.limits.maxPipelined)
      return this.#refuse(request, response, problems.tooManyPipelined);
    const head = readRequestHead(
      request.method as string,
      request.url as string,
      request.httpVersionMinor,
      request.rawHeaders,
      connection,
      this.traffic.newRequestId,
    );
    if (head.kind === "refuse") return this.#refuse(request, response, head);
    if (head.kind === "options") {
      response.writeHead(204, ["allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]);
      response.end();
      return;
    }
    const exchange = new Exchange(this.traffic, connection, request, response, head, startedAtMs);
    if ((head.contentLength ?? 0) > this.traffic.limits.bodyBytes) {
      // Who waits for 100 may or may not send the body after another answer: the connection cannot be used again.
      return exchange.answer(problems.bodyTooLarge, expectsContinue || exchange.isLast);
    }
    if (expectsContinue) response.writeContinue();
    exchange.begin();
  }

  /** What is not fit to be forwarded may not be what it seems: nothing more is read from its connection. */
  #refuse(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
    const connection = this.#connections.get(request.socket);
    if (connection !== undefined) connection.isClosing = true;
    this.traffic.counters.answered(problem.status, this.traffic.nowMs);
    answerProblem(response, problem, true);
  }

  /** F1 */
  #onClientError(error: Error & { code?: string }, socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || !socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    // Its refusal is on its way; what follows on the connection deserves no second answer.
    if (connection.isClosing) return linger(socket);
    connection.isClosing = true;
    const problem = problemOfError(error.code);
    if (connection.isIdle) {
      this.traffic.counters.answered(problem.status, this.traffic.nowMs);
      socket.end(problemText(problem));
      linger(socket);
      return;
    }
    const [only] = connection.inWork;
    if (connection.inWork.length === 1 && only instanceof Exchange && only.isReceiving && !only.hasAnswerBegun) {
      only.answer(problem, true);
      linger(socket);
      return;
    }
    socket.destroy();
  }
}

function problemOfError(code: string | undefined): Problem {
  if (code === "HPE_HEADER_OVERFLOW") return problems.headersTooLarge;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return problems.requestTimeout;
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") return problems.bodyTooLarge;
  return problems.malformed;
}

function linger(socket: Socket): void {
  setTimeout(() => socket.destroy(), lingerMs).unref();
}
