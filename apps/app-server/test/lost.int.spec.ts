import { interruptedHeader } from "@understudy/contracts";
import { pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { settingsWith, type ScriptedLeader } from "./scripted-leader.ts";
import { Stage, type StagedServer } from "./stage.ts";

describe("an app server that was declared lost and is alive", () => {
  let stage: Stage;
  let server: StagedServer;
  let leader: ScriptedLeader;
  beforeAll(async () => {
    stage = await Stage.open();
    leader = await stage.leader(settingsWith({ lostAfterMs: 1_500, cutOffAfterMs: 5_000 }));
    leader.lead();
    server = await stage.appServer();
    await server.serves();
  });
  afterAll(() => stage.close());

  const who = async () => (await server.get("/api/ledger/who")).body;

  it("takes a new incarnation and serves again, in the same process", async () => {
    const before = server.ref;
    const { pid } = await who();
    await leader.declareLost(before, { tells: true });
    await eventually(() => server.ref.incarnation !== before.incarnation);
    await server.serves();
    expect(await who()).toMatchObject({
      pid,
      incarnation: server.ref.incarnation,
      session: `understudy:${server.id}:${server.ref.incarnation}`,
    });
    expect(await stage.sessions(before)).toBe(0);
  });

  it("answers what ran as interrupted, and what ran cannot write any more", async () => {
    const before = server.ref;
    const held = server.post("/api/ledger/held?ms=60000&text=zombie");
    await eventually(
      async () =>
        (await stage.sessions(before)) > 0 && (await server.metric("understudy_app_server_requests_in_work")) === 1,
    );
    await leader.declareLost(before, { tells: true });
    const answer = await held;
    expect(answer.status).toBe(503);
    expect(answer.headers.get(interruptedHeader)).toBe("1");
    expect(answer.headers.has("understudy-not-taken")).toBe(false);
    await eventually(() => server.ref.incarnation !== before.incarnation);
    await server.serves();
    // The old handler caught the end of its session and tried another one, under the name of the old incarnation.
    const writes = await eventually(async () => {
      const tried = (await server.get("/api/ledger/late")).body["writes"] as string[];
      return tried.length > 0 && tried;
    });
    expect(writes).toEqual([expect.stringMatching(`^Incarnation ${before.incarnation} .* was declared lost`)]);
    expect(await stage.entries()).not.toContain("zombie");
  });

  it("learns it from the database when nobody told it", async () => {
    const before = server.ref;
    await leader.declareLost(before, { tells: false });
    // The pool's connections were ended; the next one asserts the standing.
    await eventually(async () => {
      await server.get("/api/ledger/who");
      return server.ref.incarnation !== before.incarnation;
    });
    await server.serves();
    await server.logged(/the database refused the incarnation/);
  });

  it("frozen and thawed without a verdict, asks and serves on as the same incarnation", async () => {
    const before = server.ref;
    const asked = leader.registrations.length;
    const confirmed = await server.entered("confirming");
    server.service.freeze();
    await pause(2_000);
    const waiting = who();
    server.service.thaw();
    expect(await waiting).toMatchObject({ incarnation: before.incarnation });
    expect(leader.registrations.length).toBeGreaterThan(asked);
    expect(await server.entered("confirming")).toBeGreaterThan(confirmed);
  });

  it("frozen, declared lost and thawed, takes nothing as the old incarnation", async () => {
    const before = server.ref;
    server.service.freeze();
    await leader.declareLost(before, { tells: false });
    await pause(2_000);
    const waiting = server.post("/api/ledger/entries", { text: "of a zombie" });
    server.service.thaw();
    const answer = await waiting;
    // It waited in the socket and was held, then refused as not taken: the balancer goes elsewhere.
    expect([answer.status, answer.headers.get("understudy-not-taken")]).toEqual([503, "1"]);
    await eventually(() => server.ref.incarnation !== before.incarnation);
    await server.serves();
    expect(await stage.entries()).not.toContain("of a zombie");
  });

  it("frozen for longer than the cut-off time, with a message server to ask, serves on", async () => {
    await leader.vanish();
    server.service.freeze();
    await pause(6_000);
    leader.lead();
    server.service.thaw();
    await server.serves();
    expect(server.service.hasExited).toBe(false);
  });

  it("frozen for longer than the cut-off time, with nobody to ask, ends itself", async () => {
    await leader.vanish();
    server.service.freeze();
    await pause(6_000);
    server.service.thaw();
    expect((await server.service.exited).code).toBe(75);
  });
});
