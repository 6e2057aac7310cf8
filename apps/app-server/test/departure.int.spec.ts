import { settingsWith } from "./scripted-leader.ts";
import { Stage, type Answer } from "./stage.ts";

describe("an app server that is stopped", () => {
  let stage: Stage;
  beforeAll(async () => (stage = await Stage.open()));
  afterEach(() => stage.clear());
  afterAll(() => stage.close());

  it("says that it drains, finishes what it has, answers what still comes, and ends with 0", async () => {
    const leader = await stage.leader();
    leader.lead();
    const server = await stage.appServer();
    await server.serves();
    const { url } = server;
    // A client that goes on at this server, as a balancer with an old table does, until the server is gone.
    const answers: Answer[] = [];
    let broken = 0;
    const client = async () => {
      for (;;) {
        try {
          answers.push(await server.get("/api/ledger/slow?ms=20"));
        } catch {
          broken += 1;
          return;
        }
      }
    };
    const clients = Array.from({ length: 4 }, client);
    const slow = server.get("/api/ledger/slow?ms=3000");
    const running = server.get("/api/ledger/slow?ms=2000");
    await server.get("/api/ledger/who");
    const exit = server.service.terminate();
    expect((await running).status).toBe(200);
    expect((await slow).status).toBe(200);
    expect(await exit).toEqual({ code: 0, signal: null });
    await Promise.all(clients);
    expect(leader.farewells).toEqual(["draining", "left"]);
    const taken = answers.filter(({ status }) => status === 200);
    const notTaken = answers.filter(({ headers }) => headers.get("understudy-not-taken") === "1");
    // Each was answered: done, or told that it may go elsewhere; a broken connection only once the process is gone.
    expect(taken.length + notTaken.length).toBe(answers.length);
    expect(taken.length).toBeGreaterThan(0);
    expect(notTaken.length).toBeGreaterThan(0);
    expect(broken).toBe(clients.length);
    await expect(fetch(url)).rejects.toThrow();
    expect(await stage.sessions(server.ref)).toBe(0);
  });

  it("waits for no longer than the settings say", async () => {
    const leader = await stage.leader(settingsWith({ drainMs: 500 }));
    leader.lead();
    const server = await stage.appServer();
    await server.serves();
    const endless = server.get("/api/ledger/slow?ms=60000").catch((error: unknown) => error);
    await server.get("/api/ledger/who");
    expect((await server.service.terminate()).code).toBe(0);
    expect(await endless).toMatchObject({ message: expect.stringMatching(/fetch failed|terminated/) });
    await server.logged("requests are cut off: they took longer than the drain", 100);
  });

  it("before it was accepted, ends at once", async () => {
    const server = await stage.appServer();
    expect((await server.service.terminate()).code).toBe(0);
  });
});
