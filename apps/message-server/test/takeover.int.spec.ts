import { clusterStatus, drainServer, setConfiguration, switchover } from "@understudy/contracts";
import { call, NoAnswerError, pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { MessageServerCluster } from "./message-server-cluster.ts";
import { newChangeId } from "./scripted-app-server.ts";

describe("the message server and its alternate", () => {
  let cluster: MessageServerCluster;

  beforeAll(async () => {
    cluster = await MessageServerCluster.start();
  });
  afterAll(() => cluster.stop());

  const other = (id: string) => (id === "message-server-a" ? "message-server-b" : "message-server-a");
  const letterOf = (id: string) => id.slice(-1) as "a" | "b";
  const alternateIsReady = (id: string) =>
    eventually(
      async () =>
        (await cluster.status()).instances.some(
          ({ instance, ready, verdict }) => instance.id === id && ready && verdict === "alive",
        ),
      { withinMs: 15_000, describe: `${id} is ready as alternate` },
    );

  /** An alternate that a busy machine kept from answering for a moment counts as living again soon. */
  const switchOver = () =>
    eventually(() => call(cluster.connection, switchover, {}, { timeoutMs: 10_000 }), { withinMs: 15_000 });

  it("has one leader whose term stands in PostgreSQL and whose role stands in the configuration", async () => {
    await alternateIsReady(other((await cluster.leader()).holder.id));
    const status = await eventually(
      async () => {
        const now = await cluster.status();
        return now.termInDatabase && now.roles.alternates.length > 0 ? now : undefined;
      },
      { withinMs: 10_000, describe: "the term is in the database and the alternate in the roles" },
    );
    expect(status.roles.messageServer).toBe(status.leader.holder.id);
    expect(status.roles.alternates).toEqual([other(status.leader.holder.id)]);
  });

  it("is replaced when killed: a higher term, swapped roles, app servers follow without registering again", async () => {
    const before = await cluster.leader();
    const app = await cluster.appServer("app-server-k");
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 5_000,
      describe: "accepted",
    });
    await cluster.server(before.holder.id).kill();
    const after = await cluster.leader(before.holder.id);
    expect(after.holder.id).toBe(other(before.holder.id));
    expect(after.term).toBeGreaterThan(before.term);
    await eventually(() => app.commands.some(({ kind, leader }) => kind === "follow" && leader.term === after.term), {
      withinMs: 5_000,
      describe: "the app server was introduced to the new leader",
    });
    await eventually(async () => (await cluster.status()).roles.messageServer === after.holder.id, {
      withinMs: 10_000,
      describe: "roles are swapped",
    });
    const status = await cluster.status();
    expect(status.roles.alternates).toContain(before.holder.id);
    expect(status.appServers.map(({ instance, state }) => [instance.incarnation, state])).toEqual([
      [app.incarnation, "accepting"],
    ]);
    const takeover = await eventually(
      async () => (await cluster.history()).findLast((entry) => entry.type === "takeover" && entry.term === after.term),
      { withinMs: 10_000, describe: "the takeover stands in the history" },
    );
    expect(takeover).toMatchObject({ type: "takeover", from: before.holder, to: after.holder });
    if (takeover.type !== "takeover") throw new Error("not a takeover");
    expect(takeover.phases.noticedAt).toBeLessThanOrEqual(takeover.phases.electedAt);
    expect(takeover.phases.electedAt).toBeLessThanOrEqual(takeover.phases.actingAt);
    app.stop();
    app.reportExit();
    await cluster.startServer(letterOf(before.holder.id));
    await alternateIsReady(before.holder.id);
  });

  it("switches over on request while every command is answered", async () => {
    const before = await cluster.leader();
    await alternateIsReady(other(before.holder.id));
    let answered = 0;
    const stop = new AbortController();
    const asking = (async () => {
      while (!stop.signal.aborted) {
        await cluster.status();
        answered += 1;
      }
    })();
    try {
      const result = await switchOver();
      expect(result.from.term).toBe(before.term);
      expect(result.to.holder.id).toBe(other(before.holder.id));
      expect((await cluster.leader(before.holder.id)).term).toBe(result.to.term);
      const answeredAtSwitch = answered;
      await eventually(() => answered > answeredAtSwitch + 10, { withinMs: 5_000, describe: "commands go on" });
    } finally {
      stop.abort();
      await asking;
    }
  });

  it("leaves no request without an answer when it hands over", async () => {
    for (let switches = 0; switches < 6; switches++) {
      const before = await cluster.leader();
      await alternateIsReady(other(before.holder.id));
      const stop = new AbortController();
      let answered = 0;
      let unanswered = 0;
      const asking = Array.from({ length: 4 }, async () => {
        while (!stop.signal.aborted) {
          try {
            await call(cluster.connection, clusterStatus, {}, { timeoutMs: 4_000 });
            answered += 1;
          } catch (error) {
            // Refused or nobody there: told at once. Only silence costs the asker its whole time.
            if (error instanceof NoAnswerError) unanswered += 1;
            await pause(5);
          }
        }
      });
      try {
        const { to } = await switchOver();
        expect(to.term).toBeGreaterThan(before.term);
        const answeredAtSwitch = answered;
        await eventually(() => answered > answeredAtSwitch + 20, {
          withinMs: 10_000,
          describe: "the successor answers",
        });
      } finally {
        stop.abort();
        await Promise.all(asking);
      }
      expect(unanswered).toBe(0);
    }
  });

  it("refuses a switchover to somebody who is no living alternate, and names who is", async () => {
    const leader = await cluster.leader();
    await expect(call(cluster.connection, switchover, { to: "message-server-z" })).rejects.toThrow(
      /no living alternate/,
    );
    await expect(call(cluster.connection, switchover, { to: leader.holder.id })).rejects.toThrow(/already/);
  });

  it("hands over on SIGTERM before it ends", async () => {
    const before = await cluster.leader();
    await alternateIsReady(other(before.holder.id));
    const leaving = cluster.server(before.holder.id).terminate();
    const after = await cluster.leader(before.holder.id);
    expect((await leaving).code).toBe(0);
    const takeover = await eventually(
      async () => (await cluster.history()).findLast((entry) => entry.type === "takeover" && entry.term === after.term),
      { withinMs: 10_000, describe: "the hand-over stands in the history" },
    );
    expect(takeover.type === "takeover" && takeover.evidence[0]?.kind).toBe("hand-over");
    await cluster.startServer(letterOf(before.holder.id));
    await alternateIsReady(before.holder.id);
  });

  it("has no effect when thawed after a freeze, with commands in flight", async () => {
    const before = await cluster.leader();
    await alternateIsReady(other(before.holder.id));
    const app = await cluster.appServer("app-server-f");
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 5_000,
      describe: "accepted",
    });
    const old = cluster.server(before.holder.id);
    old.freeze();
    // They reach the frozen leader's socket as well as, later, the new leader.
    const inFlight = Array.from({ length: 10 }, (_, index) => [
      call(cluster.connection, drainServer, { id: app.id, reason: `in flight ${index}` }, { timeoutMs: 500 }).catch(
        () => undefined,
      ),
      call(
        cluster.connection,
        setConfiguration,
        {
          expectedVersion: 1,
          changeId: newChangeId(),
          changedBy: "in flight",
          settings: { appServers: { drainMs: 1_000 + index } },
        },
        { timeoutMs: 500 },
      ).catch(() => undefined),
    ]).flat();
    const after = await cluster.leader(before.holder.id);
    expect(after.term).toBeGreaterThan(before.term);
    await Promise.all(inFlight);
    // A receiver that has not heard of the new term accepts old commands: effects must not depend on it (L5).
    app.highestTerm = 0;
    const versionBefore = (await cluster.status()).settingsVersion;
    const commandsBefore = app.commands.length;
    old.thaw();
    await eventually(() => old.log.some(({ msg }) => msg === "no longer leading"), {
      withinMs: 10_000,
      describe: "the old leader knows",
    });
    await pause(500);
    const status = await cluster.status();
    expect(status.leader.term).toBe(after.term);
    expect(status.settingsVersion).toBe(versionBefore);
    const late = app.commands.slice(commandsBefore).filter(({ leader }) => leader.term < after.term);
    expect(late).toEqual([]);
    const { rows } = await cluster.postgres
      .pool()
      .query<{ term: string }>("SELECT term FROM understudy.leadership_term ORDER BY at");
    const terms = rows.map(({ term }) => Number(term));
    expect(terms).toEqual([...new Set(terms)].toSorted((a, b) => a - b));
    const written = (await cluster.history()).map(({ term }) => term);
    expect(written).toEqual(written.toSorted((a, b) => a - b));
    app.stop();
    app.reportExit();
    await alternateIsReady(before.holder.id);
  });

  it("keeps its leader when any one NATS node is lost, the lease stream's leader included, and declares nobody lost", async () => {
    const app = await cluster.appServer("app-server-n");
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 5_000,
      describe: "accepted",
    });
    const before = await cluster.leader();
    for (const node of cluster.nats.nodes) {
      await node.kill();
      await pause(1_500);
      await node.start();
      await cluster.nats.usable();
      const now = await cluster.leader();
      expect([node.name, now.term]).toEqual([node.name, before.term]);
    }
    expect((await cluster.status()).appServers.find(({ instance }) => instance.id === app.id)?.state).toBe("accepting");
  });
});
