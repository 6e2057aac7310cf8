/** What all requests of this balancer share. */
import type { ClusterSettings } from "@understudy/contracts";
import type { Counters } from "../metrics/counters.ts";
import type { Upstream } from "../servers/upstream.ts";
import type { Upstreams } from "../servers/upstreams.ts";
import type { Attempt } from "./attempt.ts";
import { AttemptList } from "./attempt-list.ts";
import { HoldQueue } from "./hold-queue.ts";

export interface TrafficLimits {
  /** Longest body of a request. */
  readonly bodyBytes: number;
  /** Bodies up to this length are kept until the answer has come, so that they can be sent again. */
  readonly keptBodyBytes: number;
  /** Answers up to this length go to the user when they are whole, so that a broken one can be asked for again. */
  readonly keptAnswerBytes: number;
  /** A server that says nothing for so long gets no more patience. */
  readonly attemptMs: number;
  /** How long a server that left the routing table may still answer. */
  readonly graceMs: number;
}

export class Traffic {
  /** One clock for all decisions, set by whoever looks at the real one: with each request and each round of the patrol. */
  nowMs = performance.now();
  readonly held = new HoldQueue<Upstream>();
  /** Attempts in work. */
  readonly attempts = new AttemptList<Attempt>();
  readonly #idPrefix = Math.random().toString(36).slice(2, 10);
  #lastId = 0;

  constructor(
    readonly upstreams: Upstreams,
    readonly counters: Counters,
    readonly limits: TrafficLimits,
    private readonly currentSettings: () => ClusterSettings["loadBalancers"],
  ) {}

  get settings(): ClusterSettings["loadBalancers"] {
    return this.currentSettings();
  }

  readonly newRequestId = (): string => `${this.#idPrefix}-${(++this.#lastId).toString(36)}`;
}
