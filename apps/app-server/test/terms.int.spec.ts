import { randomUUID } from "node:crypto";
import { eventually } from "@understudy/testkit";
import type { ScriptedLeader } from "./scripted-leader.ts";
import { Stage, type StagedServer } from "./stage.ts";

describe("an app server and the term of its leader", () => {
  let stage: Stage;
  let server: StagedServer;
  let leader: ScriptedLeader;
  beforeAll(async () => {
    stage = await Stage.open();
    leader = await stage.leader();
    leader.lead();
    server = await stage.appServer();
    await server.serves();
  });
  afterAll(() => stage.close());

  /** A takeover, as an app server sees one. */
  const takeOver = async (): Promise<ScriptedLeader> => {
    await leader.vanish();
    const next = await stage.leader();
    next.lead();
    return next;
  };

  it("follows a new leader without a restart, and refuses the old one", async () => {
    const old = leader;
    leader = await takeOver();
    const accepted = await leader.follow(server.ref);
    expect(accepted.term).toBe(leader.term.term);
    expect(Math.abs(Date.now() - accepted.acceptedAt)).toBeLessThan(5_000);
    await expect(old.follow(server.ref)).rejects.toMatchObject({ code: "stale-term" });
    expect((await server.get("/api/ledger/who")).status).toBe(200);
    expect(server.service.messages.filter(({ type }) => type === "incarnation")).toHaveLength(1);
  });

  it("refuses an equal term from another incarnation", async () => {
    const pretender = { term: leader.term.term, holder: { id: "message-server-b", incarnation: randomUUID() } };
    await expect(leader.follow(server.ref, pretender)).rejects.toMatchObject({ code: "stale-term" });
    expect((await leader.follow(server.ref)).term).toBe(leader.term.term);
  });

  it("refuses a command for another incarnation of its id, and keeps the newer term all the same", async () => {
    const old = leader;
    leader = await takeOver();
    const stranger = { id: server.id, incarnation: randomUUID() };
    await expect(leader.follow(stranger)).rejects.toMatchObject({ code: "unknown-instance" });
    await expect(old.follow(server.ref)).rejects.toMatchObject({ code: "stale-term" });
  });

  it("registers again with a leader of which it only hears beats", async () => {
    leader = await takeOver();
    await eventually(() =>
      leader.registrations.some(({ instance }) => instance.incarnation === server.ref.incarnation),
    );
    expect((await server.get("/api/ledger/who")).status).toBe(200);
  });

  it("registers again with a leader whose routing tables lack it", async () => {
    const asked = leader.registrations.length;
    await eventually(() => {
      leader.publishTable([]);
      return leader.registrations.length > asked;
    });
    expect((await server.get("/api/ledger/who")).status).toBe(200);
  });

  it("counts beats of an older term as no contact", async () => {
    const old = leader;
    leader = await takeOver();
    await leader.follow(server.ref);
    await leader.vanish();
    old.beat();
    await eventually(async () => (await server.entered("cut-off")) === 1);
    leader.lead();
    await eventually(async () => (await server.entered("serving")) === 2);
  });

  it("refuses a malformed command, naming the fault", async () => {
    const refused = leader.follow({ id: server.id, incarnation: "not-a-uuid" });
    await expect(refused).rejects.toMatchObject({
      code: "invalid-request",
      faults: [expect.stringMatching("incarnation")],
    });
  });

  it("drains by command, refuses after a moment, and resumes", async () => {
    await leader.setIntake(server.ref, "draining");
    expect((await server.get("/api/ledger/who")).status).toBe(200);
    expect(await server.standing()).toBe("drained by an operator");
    await eventually(async () => (await server.get("/api/ledger/who")).headers.has("understudy-not-taken"));
    await leader.setIntake(server.ref, "accepting");
    expect((await server.get("/api/ledger/who")).status).toBe(200);
    expect(await server.standing()).toBe("");
  });
});
