import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  changeDatabase,
  commitInDoubt,
  databaseHistory,
  databaseStatus,
  databaseTopology,
  poolFigures,
  primaryChanged,
  switchDatabase,
  topologyBucket,
  topologyPublished,
  type DatabaseTopology,
  type PrimaryChanged,
} from "@understudy/contracts";
import { call, listen, publish } from "@understudy/runtime";
import { eventually, NatsCluster, PostgresPair, ServiceProcess } from "@understudy/testkit";
import { randomUUID } from "node:crypto";
import { database, ScriptedKeeper } from "./scripted-keeper.ts";

const startMs = 60_000;

describe("two db-pools", () => {
  let nats: NatsCluster;
  let pair: PostgresPair;
  let connection: NatsConnection;
  let keeper: ScriptedKeeper;
  const pools: ServiceProcess[] = [];
  const published: DatabaseTopology[] = [];
  const primaries: PrimaryChanged[] = [];

  const launch = (letter: "a" | "c"): ServiceProcess => {
    const process = ServiceProcess.launch({
      service: "@understudy/db-pool",
      environment: {
        UNDERSTUDY_ID: `db-pool-${letter}`,
        UNDERSTUDY_MACHINE: `machine-${letter}`,
        UNDERSTUDY_NATS_SERVERS: nats.servers.join(","),
        UNDERSTUDY_NATS_USER: nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: nats.passwordFile,
        UNDERSTUDY_DATABASES: JSON.stringify([{ name: database, url: pair.url, passwordFile: pair.passwordFile }]),
      },
    });
    pools.push(process);
    return process;
  };
  const status = () => call(connection, databaseStatus, {}, { timeoutMs: 2_000 });
  /** The topology that is published now, once it is as wished. */
  const reaches = (describe: string, holds: (topology: DatabaseTopology) => boolean): Promise<DatabaseTopology> =>
    eventually(
      () => {
        const topology = published.at(-1);
        return topology !== undefined && holds(topology) ? topology : undefined;
      },
      { withinMs: 20_000, describe },
    );

  beforeAll(async () => {
    [nats, pair] = await Promise.all([NatsCluster.start(), PostgresPair.start()]);
    connection = await nats.connect("test");
    await nats.usable();
    listen(connection, topologyPublished, (topology) => published.push(topology));
    listen(connection, primaryChanged, (event) => primaries.push(event));
    keeper = await ScriptedKeeper.start(connection);
    await Promise.all([launch("a").started(startMs), launch("c").started(startMs)]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(pools.map((process) => process.kill()));
    await connection?.close();
    await Promise.all([nats?.stop(), pair?.remove()]);
  });

  it("publish who is primary, who streams and who is in sync, and keep it for whoever comes later", async () => {
    const isWhole = ({ primary, members }: DatabaseTopology) =>
      primary === "postgres-a" && members.some(({ id, state }) => id === "postgres-b" && state === "streaming");
    const topology = await reaches("primary and standby are seen", isWhole);
    expect(topology).toMatchObject({ term: 3, timeline: 1, phase: "open" });
    expect(topology.members.map(({ id, role, inSync }) => ({ id, role, inSync }))).toEqual([
      { id: "postgres-a", role: "primary", inSync: true },
      { id: "postgres-b", role: "standby", inSync: true },
    ]);
    await eventually(
      async () => {
        const entry = await (await new Kvm(jetstream(connection)).open(topologyBucket)).get(database);
        return entry !== null && isWhole(databaseTopology.parse(entry.json()));
      },
      { withinMs: 20_000, describe: "it stands in KV" },
    );
    expect(primaries.at(-1)).toMatchObject({ primary: "postgres-a", term: 3, timeline: 1 });
    expect((await status()).databases).toHaveLength(1);
  });

  it("gather the figures of all pools and remember commits in doubt beyond their own lives", async () => {
    const instance = { id: "app-server-b", incarnation: randomUUID() };
    const figures = {
      instance,
      database,
      open: 3,
      idle: 1,
      held: 2,
      retries: 5,
      replays: 1,
      resolvedCommitted: 1,
      resolvedNotCommitted: 0,
      unresolved: 0,
      withoutPrimaryMs: 120,
    };
    const doubt = { instance, database, operation: randomUUID(), attempt: 1, since: Date.now() };
    publish(connection, commitInDoubt, { ...doubt, outcome: "open" });
    publish(connection, commitInDoubt, { ...doubt, outcome: "committed", endedAt: Date.now() });
    await eventually(
      async () => {
        publish(connection, poolFigures, figures, instance.id);
        const { pools: heard, inDoubt } = await status();
        return heard.some(({ held }) => held === 2) && inDoubt.some(({ outcome }) => outcome === "committed");
      },
      { withinMs: 10_000 },
    );
    for (const process of pools.splice(0)) await process.kill();
    await launch("c").started(startMs);
    const remembered = await eventually(
      async () => (await status()).inDoubt.find(({ operation }) => operation === doubt.operation),
      { withinMs: 20_000, describe: "the new db-pool knows the commit" },
    );
    expect(remembered).toMatchObject({ outcome: "committed", attempt: 1 });
    await launch("a").started(startMs);
  }, 120_000);

  it("tell in a sentence when nobody holds the lease, and what does not exist", async () => {
    const change = { change: "pause", reason: "test" } as const;
    await expect(call(connection, changeDatabase, { database, change }, { timeoutMs: 10_000 })).rejects.toThrow(
      /No db-keeper holds the lease/,
    );
    await expect(call(connection, changeDatabase, { database: "other", change })).rejects.toThrow(/Known: understudy/);
    await expect(call(connection, switchDatabase, { database, to: "postgres-x" })).rejects.toThrow(
      /no instance postgres-x/,
    );
    await expect(call(connection, switchDatabase, { database, to: "postgres-a" })).rejects.toThrow(
      /is the primary already/,
    );
  });

  it("pass a switchover to the keeper once, although both of them serve", async () => {
    await keeper.serve({
      switchTo: (to) => ({ from: "postgres-a", to: to ?? "postgres-b", term: 4, pauseMs: 12 }),
      change: () => ({ leader: { term: keeper.lease.term, holder: keeper.lease.holder }, entry: keeper.lease.content }),
    });
    const reply = await call(connection, switchDatabase, { database, to: "postgres-b" }, { timeoutMs: 5_000 });
    expect(reply).toEqual({ from: "postgres-a", to: "postgres-b", term: 4, pauseMs: 12 });
    expect(keeper.asked).toEqual([expect.objectContaining({ request: { to: "postgres-b" } })]);
    const changed = await call(connection, changeDatabase, { database, change: { change: "resume" } });
    expect(changed.entry.primary).toBe("postgres-a");
  });

  it("read what keepers wrote into the history, the latest", async () => {
    const entry = (summary: string) => ({
      type: "database" as const,
      at: Date.now(),
      term: 3,
      writtenBy: { id: "db-keeper-a", incarnation: keeper.incarnation },
      database,
      event: "standby-joined" as const,
      evidence: [],
      summary,
    });
    expect((await call(connection, databaseHistory, {})).entries).toEqual([]);
    await keeper.write(["one", "two", "three"].map(entry));
    const { entries } = await call(connection, databaseHistory, { limit: 2 }, { timeoutMs: 5_000 });
    expect(entries.map(({ summary }) => summary)).toEqual(["two", "three"]);
  });

  it("see a failover through: no primary while the entry promotes, then the new one, told again to pools", async () => {
    await pair.a.kill();
    keeper.says("postgres-a", { state: "stopped" });
    await reaches("the primary is gone", ({ primary }) => primary === undefined);
    await keeper.store({ phase: "promoting", primary: "postgres-b", inSync: ["postgres-b"] }, 4);
    await pair.promote();
    await keeper.store({ phase: "open", timeline: 2, degradedSince: Date.now() });
    keeper.announce();
    const topology = await reaches("the new primary", ({ primary }) => primary === "postgres-b");
    expect(topology).toMatchObject({ term: 4, timeline: 2 });
    expect(topology.degradedSince).toBeDefined();
    await eventually(
      () => primaries.some(({ primary, term, timeline }) => primary === "postgres-b" && term === 4 && timeline === 2),
      { withinMs: 5_000 },
    );
  }, 60_000);

  it("never name an old primary that comes back on its old timeline", async () => {
    // As nobody should start it: a second primary, while the entry is at timeline 2.
    pair.a.replicate({ upstream: undefined, synchronous: undefined });
    await pair.a.start();
    const zombie = await reaches(
      "the zombie is seen",
      ({ members }) => members.find(({ id }) => id === "postgres-a")?.note?.includes("zombie") === true,
    );
    expect(zombie.primary).toBe("postgres-b");
    expect(zombie.members.find(({ id }) => id === "postgres-a")).toMatchObject({ role: "none", inSync: false });
  }, 60_000);
});
