import { keeperState, type DatabaseEntry, type KeeperState } from "@understudy/contracts";
import { Gauge } from "prom-client";

/** Read from the keeper when it is asked for. */
export function registerMetrics(
  database: string,
  member: string,
  describe: () => KeeperState,
  entry: () => DatabaseEntry | undefined,
): void {
  const labels = { database, member };
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `understudy_db_keeper_${name}`,
      help,
      labelNames: ["database", "member"],
      collect() {
        this.set(labels, read());
      },
    });
  void new Gauge({
    name: "understudy_db_keeper_state",
    help: "1 for the state that holds, 0 for the others.",
    labelNames: ["database", "member", "role", "state"],
    collect() {
      this.reset();
      const now = describe();
      for (const state of keeperState.event.shape.state.options)
        this.set({ ...labels, role: now.role, state }, state === now.state ? 1 : 0);
    },
  });
  gauge("term", "Newest term seen.", () => describe().term);
  gauge("timeline", "Timeline of the own instance.", () => describe().timeline);
  gauge("in_sync", "1 while the entry names the own instance as in sync.", () =>
    entry()?.inSync.includes(member) === true ? 1 : 0,
  );
  gauge("degraded", "1 while the database is recorded as being on one instance only.", () =>
    entry()?.degradedSince === undefined ? 0 : 1,
  );
}
