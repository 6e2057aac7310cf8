/**
 * P4 and D4 under random faults: the real `planLoss` and the real `forceOutcome` against a model of a primary with a
 * synchronous standby. A step may lose the connection before or after it took effect, deliver a COMMIT late, cancel a
 * wait for replication, or fail over to what the standby has.
 *
 * Checked in the end, after one more failover: what was told as committed is there once; nothing is there twice; what
 * was told as not committed is not there. The planted bugs show that the checker sees what it is for.
 */
import fc from "fast-check";
import { planLoss } from "../client/loss-plan.ts";
import type { ServerConnection } from "../connection/server-connection.ts";
import type { MarkerSql } from "./marker-table.ts";
import { forceOutcome, type DoubtfulCommit } from "./outcome-resolver.ts";

interface Entry {
  readonly key: string;
  readonly isTombstone: boolean;
  /** The business row that was committed with the marker. */
  readonly effect: boolean;
}

interface LateCommit {
  readonly key: string;
  readonly session: number;
}

const sql = { writeTombstone: "tombstone", readOutcome: "read", confirm: "confirm", endSession: "end" } as MarkerSql;

class Lost extends Error {
  readonly code = "ECONNRESET";
}

class Cluster {
  /** The primary's log; `replicated` entries of it are on the standby. */
  log: Entry[] = [];
  replicated = 0;
  late: LateCommit[] = [];
  sessions = new Set<number>();
  nextSession = 1;

  constructor(readonly chance: (percent: number) => boolean) {}

  failOver(): void {
    this.log = this.log.slice(0, this.replicated);
    this.sessions.clear();
    this.late = [];
  }

  disturb(): void {
    if (this.chance(10)) this.failOver();
    if (this.chance(30)) this.deliverLate();
  }

  deliverLate(): void {
    const [first, ...rest] = this.late;
    this.late = rest;
    if (first !== undefined && this.sessions.has(first.session)) this.commit(first.key);
  }

  find(key: string): Entry | undefined {
    return this.log.find((entry) => entry.key === key);
  }

  /** Whether it is acknowledged, with or without a warning. A unique key refuses the second. */
  commit(key: string): "done" | "warned" | "refused" {
    if (this.find(key) !== undefined) return "refused";
    this.log.push({ key, isTombstone: false, effect: true });
    return this.wait();
  }

  /** For the standby: reached, or cancelled. */
  wait(): "done" | "warned" {
    if (this.chance(15)) return "warned";
    this.replicated = this.log.length;
    return "done";
  }
}

/** What `forceOutcome` needs of a connection. */
function connectionTo(cluster: Cluster): ServerConnection {
  const session = cluster.nextSession++;
  cluster.sessions.add(session);
  const connection = {
    syncWaitWasCancelled: false,
    isLost: false,
    session: { pid: session, startedAt: "0" },
    async ask(text: string, values: readonly unknown[]) {
      cluster.disturb();
      if (!cluster.sessions.has(session) || cluster.chance(8)) throw new Lost("before");
      const answer = act(cluster, text, String(values[0]) + String(values[1]), connection);
      if (cluster.chance(8)) throw new Lost("after");
      return answer;
    },
  };
  return connection as unknown as ServerConnection;
}

function act(cluster: Cluster, text: string, key: string, connection: { syncWaitWasCancelled: boolean }) {
  const found = cluster.find(key);
  if (text === "read") return { rows: found === undefined ? [] : [{ is_tombstone: found.isTombstone }], rowCount: 1 };
  if (text === "end") return { rows: [], rowCount: 0 };
  if (text === "tombstone") {
    if (found !== undefined) return { rows: [], rowCount: 0 };
    cluster.log.push({ key, isTombstone: true, effect: false });
  } else {
    if (found === undefined) return { rows: [], rowCount: 0 };
    cluster.log.push({ key: `confirmed ${cluster.log.length}`, isTombstone: false, effect: false });
  }
  if (cluster.wait() === "warned") connection.syncWaitWasCancelled = true;
  return { rows: [], rowCount: 1 };
}

type Force = (connection: ServerConnection, sql: MarkerSql, commit: DoubtfulCommit) => Promise<string>;
type Told = "committed" | "unknown";

/** One operation as a client carries it out: commit, and on a lost answer what `planLoss` says. */
async function operate(cluster: Cluster, operation: string, force: Force): Promise<Told> {
  for (let attempt = 1; attempt < 30; attempt++) {
    const session = cluster.nextSession++;
    cluster.sessions.add(session);
    cluster.disturb();
    const key = operation + String(attempt);
    let isAnswered = false;
    if (cluster.chance(30)) cluster.late.push({ key, session });
    else if (cluster.sessions.has(session)) isAnswered = cluster.commit(key) === "done" && !cluster.chance(40);
    if (isAnswered) return "committed";
    const plan = planLoss({
      sentAs: "commit",
      wasSent: true,
      hasMarker: true,
      mayHaveWritten: true,
      isInTransaction: true,
      mayEndTransaction: false,
      unreplayable: undefined,
      sessionEffects: [],
    });
    if (plan.do !== "resolve-commit") throw new Error(`${plan.do} is no plan for a COMMIT in doubt.`);
    const outcome = await resolve(cluster, operation, attempt, session, force);
    if (outcome === undefined) return "unknown";
    if (outcome === "committed") return "committed";
  }
  return "unknown";
}

async function resolve(
  cluster: Cluster,
  operation: string,
  attempt: number,
  session: number,
  force: Force,
): Promise<string | undefined> {
  const commit: DoubtfulCommit = {
    operation,
    attempt,
    session: { pid: session, startedAt: "0" },
    since: 0,
    outcome: "open",
  };
  for (let tries = 0; tries < 200; tries++) {
    try {
      return await force(connectionTo(cluster), sql, commit);
    } catch {
      // The next connection asks again.
    }
  }
  return undefined;
}

async function violations(seed: number, force: Force): Promise<string[]> {
  let state = seed >>> 0 || 1;
  const chance = (percent: number): boolean => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % 100 < percent;
  };
  const cluster = new Cluster(chance);
  const told = new Map<string, Told>();
  for (const operation of ["a", "b", "c"]) told.set(operation, await operate(cluster, operation, force));
  while (cluster.late.length > 0) cluster.deliverLate();
  cluster.failOver();
  const found: string[] = [];
  for (const [operation, answer] of told) {
    const count = cluster.log.filter(({ key, effect }) => effect && key.startsWith(operation)).length;
    if (count > 1) found.push(`${operation} doubled`);
    if (answer === "committed" && count === 0) found.push(`${operation} lost`);
  }
  return found;
}

it("nothing is lost and nothing doubled in 10,000 histories", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 0x7fffffff }), async (seed) => {
      expect(await violations(seed, forceOutcome)).toEqual([]);
    }),
    { numRuns: 10_000 },
  );
}, 60_000);

const planted: [string, Force][] = [
  [
    "only looks whether the marker is there",
    async (connection, _sql, { operation, attempt }) => {
      const { rows } = await connection.ask("read", [operation, attempt]);
      return rows.length > 0 ? "committed" : "not-committed";
    },
  ],
  [
    "says committed without a replicated write behind it",
    async (connection, _sql, { operation, attempt }) => {
      const { rowCount } = await connection.ask("tombstone", [operation, attempt]);
      if (rowCount === 1 && !connection.syncWaitWasCancelled) return "not-committed";
      const { rows } = await connection.ask("read", [operation, attempt]);
      return rows[0]?.["is_tombstone"] === true ? "not-committed" : "committed";
    },
  ],
  [
    "takes its own earlier tombstone for the marker",
    async (connection, _sql, { operation, attempt }) => {
      const { rowCount } = await connection.ask("tombstone", [operation, attempt]);
      if (rowCount === 1) return "not-committed";
      await connection.ask("confirm", [operation, attempt]);
      return "committed";
    },
  ],
];

it.each(planted)("a resolver that %s is caught", async (_name, force) => {
  let caught = 0;
  for (let seed = 1; seed <= 2_000; seed++) caught += (await violations(seed * 7_919, force)).length;
  expect(caught).toBeGreaterThan(0);
});
