import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EngineProcess, freePorts, postgresReady, preparePostgres, type PostgresOptions } from "@understudy/engines";

describe("a PostgreSQL instance", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-engines-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("starts", async () => {
    const [port] = await freePorts(1);
    const options: PostgresOptions = {
      name: "postgres-a",
      dataDir: join(folder, "data"),
      port: port ?? 0,
      password: "pä's",
      database: "shop",
    };
    const server = EngineProcess.start("postgres-a", await preparePostgres(options), { stopSignal: "SIGINT" });
    await server.ready((signal) => postgresReady(options, signal));
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });
});
