import { beat, type Beat } from "@understudy/contracts";
import { listen, pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { settingsWith, type ScriptedLeader } from "./scripted-leader.ts";
import { Stage, type StagedServer } from "./stage.ts";

let stage: Stage;
let server: StagedServer;
let leader: ScriptedLeader;

const open = async (cutOffAfterMs: number): Promise<void> => {
  leader = await stage.leader(settingsWith({ cutOffAfterMs }));
  leader.lead();
  server = await stage.appServer();
  await server.serves();
};
const cutCables = () => stage.links.forEach((link) => link.cut());
const healCables = () => stage.links.forEach((link) => link.heal());
const serves = async () => (await server.get("/api/ledger/who")).status === 200;
/** Resolves when it has entered the standing once more than `before`. */
const enters = (standing: string, before: number) =>
  eventually(async () => (await server.entered(standing)) > before, { describe: `${server.id} is ${standing}` });

beforeAll(async () => (stage = await Stage.open({ nodes: 3 })));
afterAll(() => stage.close());

describe("an app server that is cut off for a while", () => {
  beforeAll(() => open(6_000));
  afterAll(() => stage.clear());

  it("from the message servers only: serves on, and goes on with nothing lost when they are back", async () => {
    const { incarnation } = server.ref;
    const cuts = await server.entered("cut-off");
    const services = await server.entered("serving");
    await leader.vanish();
    await enters("cut-off", cuts);
    expect(await serves()).toBe(true);
    expect(await server.standing()).toBe("");
    const asked = leader.registrations.length;
    leader.lead();
    await enters("serving", services);
    // It may have been declared lost meanwhile, so it asks.
    await eventually(() => leader.registrations.length > asked);
    expect(await serves()).toBe(true);
    expect(server.ref.incarnation).toBe(incarnation);
  });

  it("from NATS: serves on, reconnects and goes on", async () => {
    const cuts = await server.entered("cut-off");
    const services = await server.entered("serving");
    cutCables();
    await enters("cut-off", cuts);
    expect(await serves()).toBe(true);
    healCables();
    await enters("serving", services);
    expect(await serves()).toBe(true);
  });

  it("again and again, each time for less than the set time: never ends itself", async () => {
    for (let round = 1; round <= 4; round++) {
      const cuts = await server.entered("cut-off");
      const services = await server.entered("serving");
      await leader.vanish();
      await enters("cut-off", cuts);
      expect(await serves()).toBe(true);
      leader.lead();
      await enters("serving", services);
    }
    expect(server.service.hasExited).toBe(false);
  });

  it("from one NATS node only, by cable or by its death: nothing happens", async () => {
    const cuts = await server.entered("cut-off");
    const beats: Beat[] = [];
    const ear = await stage.nats.connect("ear", { servers: stage.nats.servers[2] ?? "" });
    listen(ear, beat, (heard) => beats.push(heard), { id: server.id });
    const [first] = stage.links;
    // The one that the main connection uses; longer than the notice of a silent node and of a lost contact.
    first?.cut();
    await pause(4_000);
    expect(await serves()).toBe(true);
    first?.heal();
    await stage.nats.node(1).kill();
    await pause(2_500);
    expect(await serves()).toBe(true);
    await stage.nats.node(1).start();
    expect(await server.entered("cut-off")).toBe(cuts);
    // So it never left the routing table.
    expect(beats.length).toBeGreaterThan(10);
    expect(beats.every(({ ready }) => ready)).toBe(true);
  });
});

describe("an app server that is cut off for good", () => {
  afterEach(() => stage.clear());

  it("from the message servers: ends itself with code 75 after the set time, not before", async () => {
    await open(4_000);
    const lastContact = performance.now();
    await leader.vanish();
    await enters("cut-off", 0);
    expect(await serves()).toBe(true);
    expect(await server.service.exited).toEqual({ code: 75, signal: null });
    // Its last contact was up to one beat earlier.
    expect(performance.now() - lastContact).toBeGreaterThan(3_500);
    const words = server.service.log.map(({ msg, reason }) => `${msg} ${String(reason)}`);
    expect(words).toContainEqual(expect.stringMatching(/stopping cut off from every message server for \d+ ms/));
  });

  it("from NATS: ends itself as well", async () => {
    await open(3_000);
    cutCables();
    expect((await server.service.exited).code).toBe(75);
  });
});
