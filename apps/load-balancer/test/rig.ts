/** A balancer in this process before real backends, with the routing table in the test's hands. */
import type { RoutingEntry, RoutingTable } from "@understudy/contracts";
import { pino } from "pino";
import { Balancer, type BalancerOptions } from "../src/balancer.ts";
import type { EdgeCertificate } from "../src/http/edge-certificate.ts";
import { KnownRoutes } from "../src/routing/known-routes.ts";
import type { Backend } from "./backends.ts";

const holder = { id: "message-server-a", incarnation: "01890000-0000-7000-8000-000000000001" };
const limits: BalancerOptions["limits"] = {
  maxHeaderBytes: 16_384,
  maxHeaderFields: 100,
  maxConnections: 1_000,
  maxPipelined: 16,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 60_000,
  bodyBytes: 1_048_576,
  keptBodyBytes: 65_536,
  keptAnswerBytes: 16_384,
  attemptMs: 1_500,
  graceMs: 1_000,
  serverConnections: 256,
  connectTimeoutMs: 400,
};

export type ServerOverride = Partial<RoutingEntry>;

/** The entry of the routing table for a backend; its id and machine by its place, its incarnation by its port. */
export function entryOf(index: number, backend: Pick<Backend, "url">, override: ServerOverride = {}): RoutingEntry {
  const letter = "abcdefgh"[index] ?? String(index);
  return {
    id: `app-server-${letter}`,
    incarnation: `01890000-0000-7000-8000-${new URL(backend.url).port.padStart(12, "0")}`,
    machine: `machine-${letter}`,
    url: backend.url,
    state: "accepting",
    load: 0,
    capacity: 100,
    ...override,
  };
}

export class Rig {
  readonly routes = new KnownRoutes();
  readonly balancer: Balancer;
  readonly settings = { holdMs: 10_000, holdRequests: 1_000, answerMs: 60_000 };
  url = "";
  port = 0;
  #version = 0;
  #backends: Backend[] = [];

  private constructor(override: Partial<BalancerOptions["limits"]>, certificate?: EdgeCertificate) {
    this.balancer = new Balancer(
      {
        machine: "machine-a",
        addresses: new Map(),
        limits: { ...limits, ...override },
        settings: () => this.settings,
        certificate,
      },
      this.routes,
      pino({ level: "silent" }),
    );
  }

  static async start(
    backends: readonly Backend[] = [],
    override: Partial<BalancerOptions["limits"]> = {},
    certificate?: EdgeCertificate,
  ): Promise<Rig> {
    const rig = new Rig(override, certificate);
    rig.url = await rig.balancer.start("127.0.0.1", 0);
    rig.port = Number(new URL(rig.url).port);
    rig.#backends = [...backends];
    if (backends.length > 0) rig.route(...backends);
    return rig;
  }

  /** Publishes a table with these servers, as the message server would. */
  route(...servers: (Backend | [Backend, ServerOverride])[]): void {
    this.offer(
      servers.map((server, index) => (Array.isArray(server) ? entryOf(index, ...server) : entryOf(index, server))),
    );
  }

  offer(servers: RoutingEntry[]): void {
    const table: RoutingTable = {
      leader: { term: 1, holder },
      version: ++this.#version,
      issuedAt: Date.now(),
      servers,
    };
    this.routes.offer(table, "event");
  }

  async stop(): Promise<void> {
    await this.balancer.close(0);
    await Promise.all(this.#backends.map((backend) => backend.kill()));
  }
}
