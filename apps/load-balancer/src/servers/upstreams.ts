/** All upstreams: made, updated and removed as routing tables say. */
import type { RoutingEntry, RoutingTable } from "@understudy/contracts";
import type { AppServerAddresses } from "../routing/app-server-addresses.ts";
import { chooseServer, isUsable } from "./choose-server.ts";
import { Upstream, type UpstreamLimits } from "./upstream.ts";

export interface UpstreamOptions {
  readonly limits: UpstreamLimits;
  /** This balancer's machine. */
  readonly machine: string;
  readonly addresses: AppServerAddresses;
  readonly onUnusable: (entry: RoutingEntry, reason: string) => void;
}

export class Upstreams {
  /** In the last table. */
  #current: Upstream[] = [];
  /** No longer in the table, with requests in work. */
  #leaving: Upstream[] = [];
  #turn = 0;

  constructor(private readonly options: UpstreamOptions) {}

  get current(): readonly Upstream[] {
    return this.#current;
  }

  get leaving(): readonly Upstream[] {
    return this.#leaving;
  }

  choose(nowMs: number, excluded?: Upstream): Upstream | undefined {
    this.#turn = (this.#turn + 1) % 1_000_000;
    return chooseServer(this.#current, nowMs, this.#turn, excluded);
  }

  hasUsable(nowMs: number): boolean {
    return this.#current.some((upstream) => isUsable(upstream, nowMs));
  }

  apply(table: RoutingTable, nowMs: number): void {
    const before = [...this.#current, ...this.#leaving];
    this.#current = table.servers.flatMap((entry) => this.#upstreamOf(entry, before, nowMs) ?? []);
    const kept = new Set(this.#current);
    this.#leaving = before.filter((upstream) => !kept.has(upstream));
    for (const upstream of this.#leaving) upstream.remove(nowMs);
    this.closeIdle();
  }

  /** Closes those that left and have nothing in work any more. */
  closeIdle(): void {
    if (this.#leaving.length === 0) return;
    for (const upstream of this.#leaving) if (upstream.inFlight === 0) upstream.close();
    this.#leaving = this.#leaving.filter((upstream) => upstream.inFlight > 0);
  }

  close(): void {
    for (const upstream of [...this.#current, ...this.#leaving]) upstream.close();
    this.#current = [];
    this.#leaving = [];
  }

  #upstreamOf(entry: RoutingEntry, known: readonly Upstream[], nowMs: number): Upstream | undefined {
    const url = this.options.addresses.get(entry.id) ?? entry.url;
    const same = known.find(
      (upstream) => upstream.id === entry.id && upstream.incarnation === entry.incarnation && upstream.url === url,
    );
    if (same !== undefined) {
      same.update(entry);
      return same;
    }
    if (!url.startsWith("http://")) {
      this.options.onUnusable(entry, `its address ${url} is no http URL`);
      return undefined;
    }
    return new Upstream(entry, url, entry.machine === this.options.machine, this.options.limits, nowMs);
  }
}
