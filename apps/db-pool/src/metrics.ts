import { Injectable } from "@nestjs/common";
import type { DatabaseMember, DatabaseTopology, PoolFigures } from "@understudy/contracts";
import { Counter, Gauge } from "prom-client";

interface Watched {
  readonly name: string;
  readonly topology: DatabaseTopology;
  readonly withoutPrimaryMs: number;
}
interface Pools {
  readonly figures: readonly PoolFigures[];
  readonly inDoubt: readonly { readonly outcome: string; readonly database: string }[];
}

type MemberFigure = readonly [name: string, help: string, read: (member: DatabaseMember) => number | undefined];
const memberFigures: readonly MemberFigure[] = [
  ["is_primary", "1 for the primary.", ({ role }) => (role === "primary" ? 1 : 0)],
  ["in_sync", "1 when it has every acknowledged commit.", ({ inSync }) => (inSync ? 1 : 0)],
  ["reachable", "1 while it answers.", ({ state }) => (state === "unreachable" ? 0 : 1)],
  ["lag_bytes", "Behind the primary.", ({ lagBytes }) => lagBytes],
  ["timeline", "Of the running server.", ({ timeline }) => timeline],
];
type DatabaseFigure = readonly [name: string, help: string, read: (watched: Watched) => number];
const databaseFigures: readonly DatabaseFigure[] = [
  ["has_primary", "1 while a primary is known.", ({ topology }) => (topology.primary === undefined ? 0 : 1)],
  ["degraded", "1 while the primary is alone.", ({ topology }) => (topology.degradedSince === undefined ? 0 : 1)],
  ["paused", "1 while an operator keeps it from failing over.", ({ topology }) => (topology.paused ? 1 : 0)],
  ["term", "Term of its entry.", ({ topology }) => topology.term],
  ["timeline", "Timeline of its primary.", ({ topology }) => topology.timeline],
];
const poolFigureNames = ["open", "idle", "held", "retries", "replays", "unresolved", "withoutPrimaryMs"] as const;
const outcomes = ["open", "committed", "not-committed", "unknown"] as const;

/** What the db-pool knows, for Prometheus. Read when it is asked for. */
@Injectable()
export class DbPoolMetrics {
  /** Adds the figures to the process's `/metrics`; once. */
  register(databases: readonly Watched[], pools: Pools): void {
    for (const [name, help, read] of databaseFigures) {
      void new Gauge({
        name: `understudy_database_${name}`,
        help,
        labelNames: ["database"],
        collect() {
          for (const watched of databases) this.set({ database: watched.name }, read(watched));
        },
      });
    }
    void new Counter({
      name: "understudy_database_without_primary_seconds_total",
      help: "Time in which this db-pool knew no primary.",
      labelNames: ["database"],
      collect() {
        this.reset();
        for (const watched of databases) this.inc({ database: watched.name }, watched.withoutPrimaryMs / 1_000);
      },
    });
    for (const [name, help, read] of memberFigures) {
      void new Gauge({
        name: `understudy_database_member_${name}`,
        help,
        labelNames: ["database", "member"],
        collect() {
          this.reset();
          for (const watched of databases) {
            for (const member of watched.topology.members) {
              const value = read(member);
              if (value !== undefined) this.set({ database: watched.name, member: member.id }, value);
            }
          }
        },
      });
    }
    for (const figure of poolFigureNames) {
      void new Gauge({
        name: `understudy_pool_${figure.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
        help: `"${figure}" of each failover-pool, as it told.`,
        labelNames: ["database", "instance"],
        collect() {
          this.reset();
          for (const one of pools.figures) this.set({ database: one.database, instance: one.instance.id }, one[figure]);
        },
      });
    }
    void new Gauge({
      name: "understudy_commits_in_doubt",
      help: "Commits whose answer was lost, by how they ended.",
      labelNames: ["outcome"],
      collect() {
        for (const outcome of outcomes) {
          this.set({ outcome }, pools.inDoubt.filter((commit) => commit.outcome === outcome).length);
        }
      },
    });
  }
}
