import { notTakenHeader } from "@understudy/contracts";
import { pause } from "@understudy/runtime";
import { eventually, ServiceProcess } from "@understudy/testkit";
import { Stage, type StagedServer } from "./stage.ts";

describe("an app server that starts", () => {
  let stage: Stage;
  beforeAll(async () => (stage = await Stage.open()));
  afterEach(() => stage.clear());
  afterAll(() => stage.close());

  it("waits without a message server, refuses requests as not taken, and serves once accepted", async () => {
    const server = await stage.appServer();
    await server.logged(/^not accepted: there is no message server yet/);
    const refused = await server.get("/api/ledger/who");
    expect(refused.status).toBe(503);
    expect(refused.headers.get(notTakenHeader)).toBe("1");
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(refused.body).toMatchObject({ status: 503, title: "Service Unavailable" });
    expect(await server.standing()).toMatch(/waiting to be accepted: there is no message server yet/);

    const leader = await stage.leader();
    leader.lead();
    await server.serves();
    expect(leader.registrations[0]).toMatchObject({
      instance: { ...server.ref, kind: "app-server", machine: "machine-a" },
      url: server.url,
      capacity: 64,
      applications: ["ledger"],
    });
    expect(await stage.entries()).toEqual(["opened"]);
    expect((await server.service.said("serving")).url).toBe(server.url);
    await eventually(async () => (await fetch(`${server.service.opsUrl}/readyz`)).status === 200);
  });

  it("stays and says why when it is refused, and serves when the reason is gone", async () => {
    const leader = await stage.leader();
    leader.refusal = { reason: "not-allowed", message: "is not among the allowed ones" };
    leader.lead();
    const server = await stage.appServer();
    await eventually(async () => (await server.standing()).includes("refused (not-allowed)"));
    leader.refusal = { reason: "database-unavailable", message: "one moment", retryAfterMs: 50 };
    await eventually(async () => (await server.standing()).includes("refused (database-unavailable)"));
    expect(server.service.hasExited).toBe(false);
    leader.refusal = undefined;
    await server.serves();
  });

  it("takes a new incarnation when the message server answers that this one was declared lost", async () => {
    const leader = await stage.leader();
    leader.refusal = { reason: "declared-lost", message: "was declared lost", retryAfterMs: 1 };
    leader.lead();
    const server = await stage.appServer();
    await eventually(() => new Set(leader.registrations.map(({ instance }) => instance.incarnation)).size >= 2);
    leader.refusal = undefined;
    await server.serves();
    expect((await server.get("/api/ledger/who")).body["incarnation"]).toBe(server.ref.incarnation);
  });

  it("waits for its database, and serves when that has come", async () => {
    (await stage.leader()).lead();
    const missing = `${stage.postgres.url}_later`;
    const server = await stage.appServer({ UNDERSTUDY_DATABASE_URL: missing });
    await server.logged("the applications cannot be prepared yet");
    expect(await server.standing()).toBe("accepted; its applications are being prepared");
    const refused = await server.get("/api/ledger/who");
    expect([refused.status, refused.headers.get(notTakenHeader)]).toEqual([503, "1"]);
    const name = new URL(missing).pathname.slice(1);
    await stage.database.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    await stage.accept(server.ref, stage.postgres.pool({ database: name }));
    await server.serves();
  });

  it("says once that its database refuses its password, asks ever less often, and serves when it is let in", async () => {
    (await stage.leader()).lead();
    const { url } = stage.postgres;
    await stage.database.query("CREATE ROLE locked_out LOGIN SUPERUSER PASSWORD 'another one'");
    const server = await stage.appServer({ UNDERSTUDY_DATABASE_URL: url.replace("postgres@", "locked_out@") });
    const said = "the applications cannot be prepared yet";
    await server.logged(said);
    await pause(3_000);
    const lines = server.service.log.filter(({ msg }) => msg === said);
    expect(lines).toHaveLength(1);
    expect(lines[0]?.["reason"]).toMatch(/password authentication failed for user "locked_out"/);
    expect(server.service.output).not.toContain(stage.postgres.password);
    await stage.database.query(`ALTER ROLE locked_out PASSWORD '${stage.postgres.password}'`);
    await server.serves(30_000);
  });

  it("hosts the order entry", async () => {
    (await stage.leader()).lead();
    const server = await stage.appServer({ UNDERSTUDY_APPLICATIONS: "@understudy/order-entry" });
    const { status, body } = await eventually(
      async () => {
        const answer = await server.get("/api/customers?limit=1");
        return answer.status === 503 ? undefined : answer;
      },
      { withinMs: 40_000, describe: "the order entry answers" },
    );
    expect(status).toBe(200);
    expect(body["items"]).toHaveLength(1);
  });

  it("lists every fault of its configuration, unloadable applications among them, and exits with 78", async () => {
    const service = ServiceProcess.launch({
      service: "@understudy/app-server",
      environment: {
        ...stage.environment("app-server-x"),
        UNDERSTUDY_CAPACITY: "many",
        UNDERSTUDY_APPLICATIONS: "@understudy/no-such-package",
      },
    });
    expect((await service.exited).code).toBe(78);
    expect(service.output).toMatch(/UNDERSTUDY_CAPACITY: must be a whole number/);
    expect(service.output).toMatch(/UNDERSTUDY_APPLICATIONS: "@understudy\/no-such-package" cannot be imported/);
  });

  it("takes the variables of its applications", async () => {
    const service = ServiceProcess.launch({
      service: "@understudy/app-server",
      environment: { ...stage.environment("app-server-x"), UNDERSTUDY_LEDGER_SECOND_ENTRY: "no such thing" },
    });
    expect((await service.exited).code).toBe(78);
    expect(service.output).toMatch(/UNDERSTUDY_LEDGER_SECOND_ENTRY: no such setting .*UNDERSTUDY_LEDGER_FIRST_ENTRY/);
  });
});

describe("an app server that serves", () => {
  let stage: Stage;
  let server: StagedServer;
  beforeAll(async () => {
    stage = await Stage.open();
    (await stage.leader()).lead();
    server = await stage.appServer();
    await server.serves();
  });
  afterAll(() => stage.close());

  it("names its database sessions by id and incarnation", async () => {
    const { body } = await server.get("/api/ledger/who");
    expect(body["session"]).toBe(`understudy:${server.id}:${server.ref.incarnation}`);
    expect(await stage.sessions(server.ref)).toBeGreaterThan(0);
  });

  it("answers what no application knows as a problem of RFC 9457", async () => {
    const unknown = await server.get("/api/nowhere");
    expect(unknown.status).toBe(404);
    expect(unknown.headers.get("content-type")).toMatch("application/problem+json");
    const garbled = await fetch(`${server.url}/api/ledger/entries`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    expect(garbled.status).toBe(400);
    expect(garbled.headers.get("content-type")).toMatch("application/problem+json");
    const large = await server.post("/api/ledger/entries", { text: "x".repeat(1_100_000) });
    expect([large.status, large.body["title"]]).toEqual([413, "Payload Too Large"]);
  });
});
