import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { PostgresServer } from "@understudy/testkit";

describe("a PostgreSQL server of a test", () => {
  it("serves its database, survives a kill and a freeze, and leaves nothing", async () => {
    const server = await PostgresServer.start({ database: "shop", settings: { work_mem: "1MB" } });
    const folder = dirname(server.passwordFile);
    try {
      expect(server.url).toMatch(/^postgres:\/\/postgres@127\.0\.0\.1:\d+\/shop$/);
      expect(readFileSync(server.passwordFile, "utf8")).toBe(server.password);
      const pool = server.pool({ max: 2 });
      await pool.query("CREATE TABLE kept AS SELECT current_setting('work_mem') AS memory");
      await server.kill();
      expect(server.state).toBe("stopped");
      await server.start();
      server.freeze();
      const answer = pool.query("SELECT memory FROM kept");
      expect(server.state).toBe("frozen");
      server.thaw();
      expect((await answer).rows).toEqual([{ memory: "1MB" }]);
      await server.stop();
      expect(server.pid).toBeUndefined();
      await server.start();
      expect((await pool.query("SELECT count(*)::int AS count FROM kept")).rows).toEqual([{ count: 1 }]);
    } finally {
      await server.remove();
    }
    expect(existsSync(folder)).toBe(false);
  }, 60_000);
});
