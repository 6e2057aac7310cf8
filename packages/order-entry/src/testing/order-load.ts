/**
 * Clients that place orders through one URL, as patient ones do: each order has its own Idempotency-Key and is repeated
 * under it while connections break or answers say "later", until its deadline. Everything is recorded.
 *
 * `start()` learns customers and items and sets the clients off; `stop()` lets each finish its order and reports;
 * `resolveOpen()` then asks again for every outcome that no client learned.
 */
import { Backoff, pause } from "@understudy/runtime";
import { JsonClient, type Attempt } from "./json-client.ts";
import { OrderLedger } from "./order-ledger.ts";
import { summarize, type OrderLoadReport, type OrderRecord } from "./order-load-report.ts";

export interface OrderLoadOptions {
  /** Base URL, of a load balancer or an app server. */
  readonly url: string;
  /** PEM; whom to believe behind an https URL. */
  readonly authority?: string | undefined;
  readonly clients: number;
  /** Longest time for one answer. */
  readonly attemptTimeoutMs?: number;
  /** Longest time for one order with all its repetitions. */
  readonly orderDeadlineMs?: number;
  /** Pause of a client between two orders. */
  readonly pauseMs?: number;
  readonly ledger?: OrderLedger;
}

/** Answers after which the same request may succeed; 500 is not among them. */
const repeatable = new Set([408, 425, 429, 502, 503, 504]);
const pageSize = 1_000;
const mostPages = 100;
const learnWithinMs = 30_000;

export class OrderLoad {
  readonly ledger: OrderLedger;
  readonly #options: Required<Omit<OrderLoadOptions, "ledger" | "authority">>;
  readonly #http: JsonClient;
  readonly #bodies = new Map<string, string>();
  readonly #records: OrderRecord[] = [];
  readonly #reasons = new Map<string, number>();
  readonly #stop = new AbortController();
  #customers: readonly number[] = [];
  #items: readonly number[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #startedAt = 0;

  readonly #authority: string | undefined;

  constructor(options: OrderLoadOptions) {
    this.#authority = options.authority;
    this.ledger = options.ledger ?? new OrderLedger();
    this.#options = {
      url: options.url,
      clients: options.clients,
      attemptTimeoutMs: options.attemptTimeoutMs ?? 2_000,
      orderDeadlineMs: options.orderDeadlineMs ?? 5_000,
      pauseMs: options.pauseMs ?? 0,
    };
    this.#http = new JsonClient(options.url, options.clients, options.authority);
  }

  async start(): Promise<void> {
    this.#customers = await this.#idsOf("/api/customers");
    this.#items = await this.#idsOf("/api/items");
    this.#startedAt = Date.now();
    this.#running = Promise.all(Array.from({ length: this.#options.clients }, () => this.#runClient()));
  }

  /** Orders finished so far, in the order in which they ended. */
  get records(): readonly OrderRecord[] {
    return this.#records;
  }

  async stop(): Promise<OrderLoadReport> {
    this.#stop.abort();
    await this.#running;
    this.#http.close();
    return summarize(this.#records, this.#reasons, this.#startedAt, Date.now());
  }

  /** Repeats every order whose outcome is unknown until it is known; how many still are not after `withinMs`. */
  async resolveOpen(withinMs = 60_000): Promise<number> {
    const http = new JsonClient(this.#options.url, 1, this.#authority);
    try {
      const until = performance.now() + withinMs;
      for (const [key, body] of this.#bodies) await this.#settle(http, key, body, until);
    } finally {
      http.close();
    }
    return this.ledger.open.size;
  }

  async #runClient(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const key = this.ledger.newKey();
      const body = JSON.stringify(this.#order());
      const startedAt = Date.now();
      const started = performance.now();
      const { attempts, outcome } = await this.#settle(this.#http, key, body, started + this.#options.orderDeadlineMs);
      this.#records.push({ key, startedAt, ms: performance.now() - started, attempts, outcome });
      if (this.#options.pauseMs > 0) await pause(this.#options.pauseMs, this.#stop.signal);
    }
  }

  /** Sends the order until its outcome is known or the time is over, and notes it in the ledger. */
  async #settle(
    http: JsonClient,
    key: string,
    body: string,
    until: number,
  ): Promise<Pick<OrderRecord, "attempts" | "outcome">> {
    const backoff = new Backoff(25, 400);
    this.#bodies.set(key, body);
    for (let attempts = 1; ; attempts += 1) {
      const timeoutMs = Math.max(1, Math.min(this.#options.attemptTimeoutMs, until - performance.now()));
      const headers = { "idempotency-key": key };
      const attempt = await http.attempt({
        method: "POST",
        path: "/api/orders",
        headers,
        body,
        timeoutMs,
        onNewConnection: attempts > 1,
      });
      const outcome = outcomeOf(attempt);
      if (outcome === "acknowledged") this.ledger.acknowledge(key, orderIdOf(attempt));
      else this.#count(attempt);
      if (outcome === "refused") this.ledger.refuse(key);
      if (outcome !== "unknown") {
        this.#bodies.delete(key);
        return { attempts, outcome };
      }
      const waitMs = backoff.nextMs();
      const isHopeless = attempt.kind === "answered" && !repeatable.has(attempt.status);
      if (isHopeless || performance.now() + waitMs >= until) return { attempts, outcome };
      await pause(waitMs);
    }
  }

  #count(attempt: Attempt): void {
    const reason = attempt.kind === "broken" ? attempt.reason : `status ${attempt.status}`;
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
  }

  /** By TPC-C's rules: 5 to 15 positions of 1 to 10 pieces. */
  #order(): object {
    const positions = Array.from({ length: 5 + Math.floor(Math.random() * 11) }, () => ({
      itemId: pick(this.#items),
      quantity: 1 + Math.floor(Math.random() * 10),
    }));
    return { customerId: pick(this.#customers), positions };
  }

  async #idsOf(path: string): Promise<readonly number[]> {
    const ids: number[] = [];
    let after = "";
    for (let page = 0; page < mostPages; page += 1) {
      const { items, next } = await this.#page(`${path}?limit=${pageSize}${after}`);
      ids.push(...items.map(({ id }) => id));
      if (next === undefined) break;
      after = `&after=${encodeURIComponent(next)}`;
    }
    if (ids.length === 0) throw new Error(`${this.#options.url}${path} is empty.`);
    return ids;
  }

  async #page(path: string): Promise<{ items: { id: number }[]; next?: string }> {
    const backoff = new Backoff(50, 500);
    const until = performance.now() + learnWithinMs;
    for (;;) {
      const attempt = await this.#http.attempt({ method: "GET", path, timeoutMs: this.#options.attemptTimeoutMs });
      if (attempt.kind === "answered" && attempt.status === 200) {
        return attempt.body as { items: { id: number }[]; next?: string };
      }
      if (performance.now() > until) throw new Error(`${this.#options.url}${path}: ${JSON.stringify(attempt)}`);
      await pause(backoff.nextMs());
    }
  }
}

const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(Math.random() * values.length)]!;

function outcomeOf(attempt: Attempt): OrderRecord["outcome"] {
  if (attempt.kind === "broken") return "unknown";
  if (attempt.status === 200 || attempt.status === 201) return "acknowledged";
  return attempt.status >= 400 && attempt.status < 500 && !repeatable.has(attempt.status) ? "refused" : "unknown";
}

const orderIdOf = (attempt: Attempt): string =>
  attempt.kind === "answered" ? String((attempt.body as { id?: unknown }).id) : "";
