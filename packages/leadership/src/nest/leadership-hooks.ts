/**
 * Calls `@OnLeadership` and `@OnLeadershipLost` methods of all providers. One term at a time: handlers of a term that
 * was lost see their signal aborted, and those of the next term start without waiting for stragglers, which can do no
 * harm (L2) but must not delay anyone.
 */
import { Inject, Injectable, type OnModuleInit } from "@nestjs/common";
import { DiscoveryService, MetadataScanner } from "@nestjs/core";
import type { Evidence, LeaderTerm } from "@understudy/contracts";
import { LOG, type Log } from "@understudy/runtime";
import { Elector } from "../elector.ts";
import { leadershipPhases, onLeadershipKey, type LeadershipPhase, type OnLeadershipMetadata } from "./on-leadership.ts";

interface Hook {
  readonly name: string;
  readonly metadata: OnLeadershipMetadata;
  readonly run: (...parameters: unknown[]) => unknown;
}

@Injectable()
export class LeadershipHooks implements OnModuleInit {
  readonly #hooks: Hook[] = [];
  #term: AbortController | undefined;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(Elector) private readonly elector: Elector,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onModuleInit(): void {
    // An alias (`useExisting`) shows the same instance again.
    const instances = new Set<unknown>(this.discovery.getProviders().map(({ instance }) => instance as unknown));
    for (const instance of instances) {
      if (typeof instance !== "object" || instance === null) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, unknown> | null;
      if (prototype === null) continue;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const method = prototype[name];
        if (typeof method !== "function") continue;
        const metadata = Reflect.getMetadata(onLeadershipKey, method) as OnLeadershipMetadata | undefined;
        if (metadata === undefined) continue;
        this.#hooks.push({
          name: `${instance.constructor.name}.${name}`,
          metadata,
          run: (method as Hook["run"]).bind(instance),
        });
      }
    }
    this.elector.on("lead", (leader, evidence) => void this.#lead(leader, evidence));
    this.elector.on("lose", (leader, reason) => {
      this.#term?.abort();
      this.#term = undefined;
      for (const hook of this.#hooks.filter(({ metadata }) => metadata.event === "lose")) {
        void this.#run(hook, leader, reason);
      }
    });
  }

  async #lead(leader: LeaderTerm, evidence: readonly Evidence[]): Promise<void> {
    const term = new AbortController();
    this.#term = term;
    for (const phase of leadershipPhases) {
      await Promise.all(this.#of(phase).map((hook) => this.#run(hook, leader, term.signal, evidence)));
      if (term.signal.aborted) return;
    }
  }

  #of(phase: LeadershipPhase): Hook[] {
    return this.#hooks.filter(({ metadata }) => metadata.event === "lead" && metadata.phase === phase);
  }

  async #run(hook: Hook, ...parameters: unknown[]): Promise<void> {
    try {
      await hook.run(...parameters);
    } catch (error) {
      this.log.error({ err: error, hook: hook.name }, "a leadership hook failed");
    }
  }
}
