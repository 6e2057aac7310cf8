import { applicationRole, ownerRole } from "@understudy/contracts";
import { applicationPrivileges, sessionName } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import pg from "pg";
import { writeFileSync } from "node:fs";
import { MessageServerCluster } from "./message-server-cluster.ts";

describe("a message server that serves as the application", () => {
  let cluster: MessageServerCluster;
  const passwords = { [ownerRole]: "of-the-owner", [applicationRole]: "of-the-application" };

  beforeAll(async () => {
    cluster = await MessageServerCluster.start({ nodes: 1, servers: [] });
    await cluster.postgres.pool().query(`
      CREATE ROLE ${ownerRole} LOGIN PASSWORD '${passwords[ownerRole]}';
      CREATE ROLE ${applicationRole} LOGIN PASSWORD '${passwords[applicationRole]}';
      ALTER DATABASE understudy OWNER TO ${ownerRole};
      ${applicationPrivileges(ownerRole, applicationRole)}
    `);
    const file = (role: keyof typeof passwords): string => {
      const path = cluster.file(`${role}.password`);
      writeFileSync(path, passwords[role], { mode: 0o600 });
      return path;
    };
    await cluster.startServer("a", {
      UNDERSTUDY_DATABASE_URL: cluster.postgres.url.replace("postgres@", `${applicationRole}@`),
      UNDERSTUDY_DATABASE_PASSWORD_FILE: file(applicationRole),
      UNDERSTUDY_OWNER_PASSWORD_FILE: file(ownerRole),
    });
    await cluster.leader();
  });
  afterAll(() => cluster?.stop());

  const sessionsOf = async (login: string): Promise<number> => {
    const { rows } = await cluster.postgres
      .pool()
      .query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = $1 AND application_name LIKE 'understudy:message-server-a:%'",
        [login],
      );
    return rows[0]?.count ?? 0;
  };

  it("makes its tables as the owner and keeps no session of it", async () => {
    await eventually(async () => (await cluster.status()).termInDatabase, { describe: "the term stands" });
    await eventually(async () => (await sessionsOf(ownerRole)) === 0, { describe: "the owner's session ended" });
    expect(await sessionsOf(applicationRole)).toBeGreaterThan(0);
    const { rows } = await cluster.postgres
      .pool()
      .query("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('understudy', 'work_queue')");
    expect(rows).toEqual([{ tableowner: ownerRole }]);
  });

  it("ends the sessions of a lost server as application and as owner: it was lost while it prepared", async () => {
    const app = await cluster.appServer("app-server-a");
    await eventually(async () => (await app.register()).verdict === "accepted", { withinMs: 10_000 });
    const ends = await Promise.all(
      [ownerRole, applicationRole].map(async (user) => {
        const client = new pg.Client({
          host: "127.0.0.1",
          port: cluster.postgres.options.port,
          database: "understudy",
          user,
          password: passwords[user as keyof typeof passwords],
          application_name: sessionName(app.identity),
        });
        const ended = new Promise<void>((resolve) => client.on("error", () => resolve()));
        await client.connect();
        return { ended };
      }),
    );
    app.silence();
    app.reportExit();
    await Promise.all(ends.map(({ ended }) => ended));
    expect((await cluster.recordedLoss(app.incarnation)).summary).toMatch(/2 database sessions ended/);
  });
});
