/** The replicated database of a running cluster as the measurement asks it. */
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { databaseEntry, databaseRole, type DatabaseEntry } from "@understudy/contracts";
import { leaseBucket } from "@understudy/leadership";
import { eventually } from "@understudy/testkit";
import pg from "pg";
import type { Instance } from "./contestants.ts";

export class DatabaseView {
  constructor(
    private readonly connection: NatsConnection,
    private readonly database: string,
    private readonly instances: () => readonly Instance[],
  ) {}

  /** The entry that decides; undefined while there is none or its stream has no leader. */
  async entry(): Promise<DatabaseEntry | undefined> {
    const bucket = await new Kvm(this.connection).open(leaseBucket(databaseRole(this.database)));
    const stored = await bucket.get("lease");
    return stored === null ? undefined : databaseEntry.parse(stored.json<{ content: unknown }>().content);
  }

  /** Waits until a primary is open and a second instance is in sync, by the entry and by PostgreSQL itself. */
  async protected(withinMs = 60_000): Promise<DatabaseEntry> {
    return eventually(
      async () => {
        const entry = await this.entry();
        if (entry === undefined || entry.phase !== "open" || entry.inSync.length < 2) return undefined;
        const primary = this.instances().find(({ id }) => id === entry.primary);
        if (primary === undefined) return undefined;
        const client = new pg.Client({ connectionString: primary.url, connectionTimeoutMillis: 1_000 });
        client.on("error", () => undefined);
        try {
          await client.connect();
          const { rows } = await client.query<{ isProtected: boolean }>(
            `SELECT NOT pg_is_in_recovery() AND EXISTS (SELECT 1 FROM pg_stat_replication
               WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) AS "isProtected"`,
          );
          return rows[0]?.isProtected === true ? entry : undefined;
        } finally {
          await client.end().catch(() => undefined);
        }
      },
      { withinMs, describe: `${this.database} has a primary and a second instance in sync` },
    );
  }
}
