import { drainServer, resumeServer, routingPublished, type RoutingTable } from "@understudy/contracts";
import { call, listen, sessionName } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import pg from "pg";
import { MessageServerCluster } from "./message-server-cluster.ts";
import type { ScriptedAppServer } from "./scripted-app-server.ts";
import { uuidv7 } from "uuidv7";

describe("the registry of app servers", () => {
  let cluster: MessageServerCluster;
  let table: RoutingTable | undefined;

  beforeAll(async () => {
    cluster = await MessageServerCluster.start({ nodes: 1, servers: ["a"] });
    listen(cluster.connection, routingPublished, (published) => (table = published));
  });
  afterAll(() => cluster.stop());

  const routed = (app: ScriptedAppServer) =>
    table?.servers.find(({ incarnation }) => incarnation === app.incarnation)?.state;
  const isRouted = (app: ScriptedAppServer, state: string | undefined, withinMs = 5_000) =>
    eventually(() => (routed(app) ?? "absent") === (state ?? "absent"), {
      withinMs,
      describe: `${app.id} is ${state ?? "absent"} in the routing table`,
    });
  const accepted = async (id: string) => {
    const app = await cluster.appServer(id);
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 10_000,
      describe: "accepted",
    });
    return app;
  };
  const stateOf = async (app: ScriptedAppServer) =>
    (await cluster.status()).appServers.find(({ instance }) => instance.incarnation === app.incarnation)?.state;
  const standingOf = async (app: ScriptedAppServer) => {
    const { rows } = await cluster.postgres
      .pool()
      .query<{ standing: string }>("SELECT standing FROM understudy.instance_standing WHERE incarnation = $1", [
        app.incarnation,
      ]);
    return rows[0]?.standing;
  };
  /** A database session as the incarnation would have it. */
  const sessionOf = async (app: ScriptedAppServer) => {
    const client = new pg.Client({
      ...cluster.postgres.options,
      user: "postgres",
      application_name: sessionName(app.identity),
    });
    const ended = new Promise<void>((resolve) => client.on("error", () => resolve()));
    await client.connect();
    return { client, ended };
  };

  it("routes to an accepted server from its first ready beat on", async () => {
    const app = await cluster.appServer("app-server-one", { isReady: false });
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 10_000,
      describe: "accepted",
    });
    expect(await standingOf(app)).toBe("accepted");
    expect(routed(app)).toBeUndefined();
    app.isReady = true;
    app.beatNow();
    await isRouted(app, "accepting");
  });

  it("answers a repeated registration with the same verdict and notes it once", async () => {
    const app = await accepted("app-server-two");
    expect((await app.register()).verdict).toBe("accepted");
    const notes = (await cluster.history()).filter(
      (entry) => entry.type === "instance" && entry.instance.incarnation === app.incarnation,
    );
    expect(notes).toHaveLength(1);
  });

  it("refuses another cluster and a foreign protocol with the reason", async () => {
    const app = await cluster.appServer("app-server-foreign");
    expect(await app.register({ cluster: "elsewhere" })).toMatchObject({ verdict: "refused", reason: "other-cluster" });
    expect(await app.register({ protocol: 99 })).toMatchObject({ verdict: "refused", reason: "protocol" });
  });

  it("declares a server lost on its supervisor's word: standing, sessions, routing, history", async () => {
    const app = await accepted("app-server-dead");
    await isRouted(app, "accepting");
    const session = await sessionOf(app);
    app.silence();
    app.reportExit();
    await isRouted(app, undefined);
    await session.ended;
    await eventually(async () => (await stateOf(app)) === "lost", {
      withinMs: 5_000,
      describe: "lost in the registry",
    });
    expect(await standingOf(app)).toBe("lost");
    expect((await app.register().catch(() => undefined)) ?? { verdict: "refused" }).toMatchObject({
      verdict: "refused",
    });
    expect((await cluster.recordedLoss(app.incarnation)).summary).toMatch(/SIGKILL.*1 database session ended/);
  });

  it("declares a silent server lost only after lostAfterMs, and tells it when it hears again", async () => {
    const app = await accepted("app-server-mute");
    await isRouted(app, "accepting");
    const silentAt = performance.now();
    app.silence();
    await eventually(async () => (await stateOf(app)) === "lost", { withinMs: 15_000, describe: "lost by silence" });
    expect(performance.now() - silentAt).toBeGreaterThan(2_700);
    expect(await standingOf(app)).toBe("lost");
    app.start();
    expect(await app.register()).toMatchObject({ verdict: "refused", reason: "declared-lost" });
    app.incarnation = uuidv7();
    expect((await app.register()).verdict).toBe("accepted");
  });

  it("keeps a silent server that still answers the leader's own probe", async () => {
    const app = await accepted("app-server-hoarse");
    app.muteBeats();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(await stateOf(app)).not.toBe("lost");
  });

  it("lets a new incarnation of a silent id supersede the old one", async () => {
    const old = await accepted("app-server-twin");
    old.silence();
    const successor = await cluster.appServer("app-server-twin");
    await eventually(async () => (await successor.register()).verdict === "accepted", {
      withinMs: 10_000,
      describe: "the successor is accepted",
    });
    expect(await standingOf(old)).toBe("lost");
    expect(await standingOf(successor)).toBe("accepted");
  });

  it("drains and resumes on request and tells the server each time", async () => {
    const app = await accepted("app-server-drain");
    await isRouted(app, "accepting");
    const drained = await call(cluster.connection, drainServer, { id: app.id, reason: "maintenance" });
    expect(drained.server.state).toBe("draining");
    await isRouted(app, "draining");
    expect(app.commands.filter(({ kind }) => kind === "intake")).toHaveLength(1);
    await call(cluster.connection, resumeServer, { id: app.id });
    await isRouted(app, "accepting");
    await expect(call(cluster.connection, drainServer, { id: "app-server-nobody" })).rejects.toThrow(
      /no app server app-server-nobody; registered: .*app-server-drain/,
    );
  });

  it("refuses registration while the database is away and accepts when it is back", async () => {
    await cluster.postgres.kill();
    const app = await cluster.appServer("app-server-early");
    const reply = await app.register();
    expect(reply).toMatchObject({ verdict: "refused", reason: "database-unavailable" });
    expect((await cluster.status()).leader.holder.id).toBe("message-server-a");
    await cluster.postgres.start();
    await eventually(async () => (await app.register()).verdict === "accepted", {
      withinMs: 15_000,
      describe: "accepted",
    });
  });
});
