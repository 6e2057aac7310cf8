/**
 * The balancer without its surroundings: it knows no NATS, no supervisor and no Nest, only routes, settings and users.
 *
 * States: created -> serving -> draining -> closed. Starts nothing before `start`.
 */
import type { ClusterSettings } from "@understudy/contracts";
import type { Log } from "@understudy/runtime";
import { Patrol } from "./exchange/patrol.ts";
import { Traffic, type TrafficLimits } from "./exchange/traffic.ts";
import type { EdgeCertificate } from "./http/edge-certificate.ts";
import { FrontServer, type FrontLimits } from "./http/front-server.ts";
import { Counters } from "./metrics/counters.ts";
import { acceptsConnections, isCurrent } from "./routing/acceptance.ts";
import type { AppServerAddresses } from "./routing/app-server-addresses.ts";
import type { KnownRoutes } from "./routing/known-routes.ts";
import type { UpstreamLimits } from "./servers/upstream.ts";
import { Upstreams } from "./servers/upstreams.ts";

export interface BalancerOptions {
  readonly machine: string;
  readonly addresses: AppServerAddresses;
  readonly limits: FrontLimits & TrafficLimits & UpstreamLimits;
  readonly settings: () => ClusterSettings["loadBalancers"];
  /** Absent: plain HTTP. */
  readonly certificate?: EdgeCertificate | undefined;
}

export class Balancer {
  readonly counters = new Counters();
  readonly upstreams: Upstreams;
  readonly traffic: Traffic;
  readonly front: FrontServer;
  readonly #patrol: Patrol;
  readonly #onAcceptance: ((accepts: boolean) => void)[] = [];
  #isDraining = false;
  #accepts = false;
  #wasCurrent = false;

  constructor(
    options: BalancerOptions,
    readonly routes: KnownRoutes,
    log: Log,
  ) {
    this.upstreams = new Upstreams({
      limits: options.limits,
      machine: options.machine,
      addresses: options.addresses,
      onUnusable: (entry, reason) => log.warn({ server: entry.id, reason }, "an app server cannot be used"),
    });
    this.traffic = new Traffic(this.upstreams, this.counters, options.limits, options.settings);
    this.front = new FrontServer(this.traffic, options.limits, options.certificate);
    this.#patrol = new Patrol(this.traffic, () => this.#reconsider());
    routes.onChange((table) => {
      this.traffic.nowMs = performance.now();
      this.upstreams.apply(table, this.traffic.nowMs);
      this.traffic.held.release();
      this.#reconsider();
    });
  }

  /** Whether a front door should hand connections to this balancer rather than to another one. */
  get accepts(): boolean {
    return this.#accepts;
  }

  get hasUsableServer(): boolean {
    return this.upstreams.hasUsable(this.traffic.nowMs);
  }

  /** Called when `accepts` turns. */
  onAcceptance(listener: (accepts: boolean) => void): void {
    this.#onAcceptance.push(listener);
  }

  /** Resolves to the URL for users. */
  start(host: string, port: number): Promise<string> {
    this.#patrol.start();
    return this.front.listen(host, port);
  }

  beginDrain(): void {
    this.#isDraining = true;
    this.front.beginDrain();
    this.#reconsider();
  }

  /** Finishes what is in work, at most `atMostMs`. */
  async close(atMostMs: number): Promise<void> {
    await this.front.close(atMostMs);
    this.#patrol.stop();
    this.upstreams.close();
  }

  #reconsider(): void {
    const { silentMs, comparedMs } = this.routes;
    const isCurrentNow = isCurrent({ silentMs, comparedMs });
    // Who is connected since before may be better served elsewhere; who comes now comes knowing it.
    if (this.#wasCurrent && !isCurrentNow) this.front.sendAway();
    this.#wasCurrent = isCurrentNow;
    const accepts = acceptsConnections({
      isDraining: this.#isDraining,
      hasUsableServer: this.hasUsableServer,
      silentMs,
      comparedMs,
    });
    if (accepts === this.#accepts) return;
    this.#accepts = accepts;
    for (const listener of this.#onAcceptance) listener(accepts);
  }
}
