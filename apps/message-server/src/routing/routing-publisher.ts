/**
 * Publishes the routing table while this process leads: at once on a change, every 500 ms with fresh load. The change
 * also goes to KV, for balancers that start later; the subject is the fast way.
 */
import { Inject, Injectable } from "@nestjs/common";
import {
  routingPublished,
  routingTable,
  type LeaderTerm,
  type RoutingEntry,
  type RoutingTable,
} from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import { Elector, OnLeadership, OnLeadershipLost } from "@understudy/leadership";
import { LOG, NatsConnections, publish, SettingsWatch, type Log } from "@understudy/runtime";
import { z } from "zod";
import { EvidenceBoard } from "../registry/evidence-board.ts";
import { Registry } from "../registry/registry.ts";
import { Suspicions } from "../registry/suspicions.ts";
import type { GuardedValue } from "../kv/guarded-value.ts";
import { differsInStructure, routingEntries } from "./routing-table.ts";

/** The KV entry: the table, with the term where `GuardedValue` looks for it. */
export const storedRouting = routingTable.extend({ term: z.int().nonnegative() });
export type StoredRouting = z.infer<typeof storedRouting>;
export const STORED_ROUTING = Symbol("STORED_ROUTING");

const refreshEveryMs = 500;

@Injectable()
export class RoutingPublisher {
  #entries: readonly RoutingEntry[] = [];
  #version = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(EvidenceBoard) private readonly evidence: EvidenceBoard,
    @Inject(Suspicions) private readonly suspicions: Suspicions,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(STORED_ROUTING) private readonly stored: GuardedValue<StoredRouting>,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.registry.onChange(() => this.refresh());
    this.settings.onChange(() => this.refresh());
    this.beats.onBeat(({ beat }) => {
      // Readiness changes what balancers may do; load can wait for the next round.
      const listed = this.#entries.some((entry) => entry.incarnation === beat.instance.incarnation);
      if (beat.instance.kind === "app-server" && listed !== beat.ready) this.refresh();
    });
  }

  @OnLeadership("fence")
  start(leader: LeaderTerm, signal: AbortSignal): void {
    this.#version = 0;
    this.#entries = [];
    this.#publish(leader, this.#compute());
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.refresh(true), refreshEveryMs);
    signal.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
  }

  @OnLeadershipLost()
  stop(): void {
    clearInterval(this.#timer);
  }

  get table(): readonly RoutingEntry[] {
    return this.#entries;
  }

  /** Publishes when something changed, or anyway when `always`. Does nothing unless this process leads. */
  refresh(always = false): void {
    const leader = this.elector.leading;
    if (leader === undefined || this.#timer === undefined) return;
    const entries = this.#compute();
    if (differsInStructure(entries, this.#entries)) this.#publish(leader, entries);
    else if (always) {
      this.#entries = entries;
      publish(this.nats.main, routingPublished, this.#table(leader));
    }
  }

  #compute(): RoutingEntry[] {
    const { appServers } = this.settings.current.workQueues;
    // Those for background work alone are nobody's to route to.
    const forUsers = this.registry.servers.filter(({ instance }) => appServers[instance.id]?.onlyBackground !== true);
    return routingEntries(
      forUsers.map((server) => {
        const { id, incarnation } = server.instance;
        const heard = this.beats.latest(id);
        return {
          server,
          beat: heard?.beat.instance.incarnation === incarnation ? heard.beat : undefined,
          isSuspect: this.suspicions.has(incarnation),
          isGone: this.evidence.exitOf(incarnation) !== undefined,
        };
      }),
    );
  }

  #publish(leader: LeaderTerm, entries: RoutingEntry[]): void {
    this.#entries = entries;
    this.#version += 1;
    const table = this.#table(leader);
    publish(this.nats.main, routingPublished, table);
    this.stored
      .update(leader, (current) => {
        // Writes may overtake each other; the newest version stays.
        if (current !== undefined && current.term === leader.term && current.version > table.version) return current;
        return table;
      })
      .catch((error: unknown) =>
        this.log.warn({ err: error }, "the routing table was not stored; balancers have it from the subject"),
      );
  }

  #table(leader: LeaderTerm): RoutingTable {
    return { leader, version: this.#version, issuedAt: Date.now(), servers: [...this.#entries] };
  }
}
