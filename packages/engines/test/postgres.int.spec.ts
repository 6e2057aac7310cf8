import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import {
  EngineProcess,
  freePorts,
  postgresReady,
  preparePostgres,
  processTree,
  signalTree,
  type PostgresOptions,
} from "@understudy/engines";

const isRoot = process.getuid?.() === 0;

describe("a PostgreSQL instance", () => {
  /** One data folder for the tests that can share it; `options` of the others name a new one. */
  let sharedFolder: string;
  let folder: string;
  let options: PostgresOptions;
  const running: EngineProcess[] = [];
  const clients: pg.Client[] = [];

  const newFolder = () => {
    const path = mkdtempSync(join(tmpdir(), "understudy-engines-"));
    chmodSync(path, 0o711);
    return path;
  };
  const optionsIn = async (path: string): Promise<PostgresOptions> => {
    const [port = 0] = await freePorts(1);
    return { name: "postgres-a", dataDir: join(path, "data"), port, password: "pä's s", database: "shop" };
  };
  beforeAll(() => {
    sharedFolder = newFolder();
  });
  beforeEach(async () => {
    folder = newFolder();
    options = await optionsIn(sharedFolder);
  });
  afterEach(async () => {
    // The servers first: a frozen one would not answer a farewell.
    await Promise.all(running.splice(0).map((server) => server.kill()));
    await Promise.allSettled(clients.splice(0).map((client) => client.end()));
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => rmSync(sharedFolder, { recursive: true, force: true }));

  async function start(): Promise<EngineProcess> {
    const server = EngineProcess.start("postgres-a", await preparePostgres(options), { stopSignal: "SIGINT" });
    running.push(server);
    return server.ready((signal) => postgresReady(options, signal));
  }
  async function session(overrides: pg.ClientConfig = {}): Promise<pg.Client> {
    const { port, password, database } = options;
    const client = new pg.Client({ host: "127.0.0.1", user: "postgres", port, password, database, ...overrides });
    client.on("error", () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }
  const gone = async (pid: number): Promise<boolean> => {
    for (let round = 0; round < 500 && processTree(pid).length > 0; round++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return processTree(pid).length === 0;
  };

  it("starts with its database, password and settings, stops in order and starts again with its data", async () => {
    options = { ...options, settings: { max_connections: "33" } };
    const first = await start();
    const client = await session();
    expect((await client.query("SHOW max_connections")).rows).toEqual([{ max_connections: "33" }]);
    expect((await client.query("SHOW fsync")).rows).toEqual([{ fsync: "on" }]);
    expect((await client.query("SELECT upper('ä') AS u")).rows).toEqual([{ u: "Ä" }]);
    await client.query("CREATE TABLE kept AS SELECT 1 AS one");
    await expect(session({ password: "wrong" })).rejects.toThrow(/password authentication failed/);
    await expect(preparePostgres(options)).rejects.toThrow(/runs on .* already/);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    await start();
    expect((await (await session()).query("SELECT one FROM kept")).rows).toEqual([{ one: 1 }]);
    expect(readdirSync(sharedFolder)).toEqual(["data"]);
  });

  it("starts again after kill -9, with the ids in its lock file taken by others", async () => {
    const first = await start();
    await first.kill();
    const lockFile = join(options.dataDir, "postmaster.pid");
    const lines = readFileSync(lockFile, "utf8").split("\n");
    // This test's own process: alive, and no PostgreSQL.
    writeFileSync(lockFile, [String(process.pid), ...lines.slice(1)].join("\n"));
    await start();
  });

  it("ends the backends that outlived a killed postmaster before it starts a new one", async () => {
    const first = await start();
    const client = await session();
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const backend = rows[0]?.pid ?? 0;
    // Frozen, or it would notice and end by itself.
    process.kill(backend, "SIGSTOP");
    process.kill(first.pid ?? 0, "SIGKILL");
    await first.exited;
    expect(processTree(backend)).toEqual([backend]);
    await start();
    expect(processTree(backend)).toEqual([]);
  });

  it("is reached whole: its tree has the backends, a freeze stops all of them and kill leaves none", async () => {
    const server = await start();
    const client = await session();
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const backend = rows[0]?.pid ?? 0;
    const tree = processTree(server.pid ?? 0);
    expect(tree[0]).toBe(server.pid);
    expect(tree).toContain(backend);
    expect(tree.length).toBeGreaterThan(4);
    // A group would not do: each backend leads a session of its own.
    const group = (pid: number) =>
      readFileSync(`/proc/${pid}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ")[2];
    expect(group(backend)).not.toBe(group(server.pid ?? 0));

    server.freeze();
    const states = tree.map((pid) => readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "")[0]);
    expect(new Set(states)).toEqual(new Set(["T"]));
    const answer = client.query("SELECT 1 AS one");
    server.thaw();
    expect((await answer).rows).toEqual([{ one: 1 }]);

    server.freeze();
    expect(await server.kill()).toEqual({ code: null, signal: "SIGKILL" });
    expect(await Promise.all(tree.map(gone))).not.toContain(false);
  });

  it("stops in order even when it was frozen", async () => {
    const server = await start();
    server.freeze();
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  it("is never half initialised: an initdb that is killed leaves no data folder, and the next start succeeds", async () => {
    options = await optionsIn(folder);
    const script = `
      import { preparePostgres } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
      await preparePostgres(${JSON.stringify(options)});`;
    const preparing: ChildProcess = spawn(process.execPath, ["--input-type=module", "--eval", script]);
    const drafts = () => readdirSync(folder).filter((entry) => entry.startsWith("data.initdb-"));
    const begun = () => drafts().some((draft) => existsSync(join(folder, draft, "data", "PG_VERSION")));
    while (!begun()) {
      if (preparing.exitCode !== null) throw new Error("The preparation ended before it could be killed.");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    signalTree(preparing.pid ?? 0, "SIGKILL");
    await once(preparing, "exit");
    expect(existsSync(options.dataDir)).toBe(false);
    expect(drafts()).toHaveLength(1);
    await start();
    expect(readdirSync(folder)).toEqual(["data"]);
  });

  it("says in its own words why it does not start", async () => {
    options = { ...options, settings: { shared_buffers: "plenty" } };
    await expect(start()).rejects.toThrow(/postgres-a ended at its start \(code 1\).*invalid value.*shared_buffers/s);
  });

  (isRoot ? it : it.skip)("runs as nobody, also below a folder that nobody cannot enter", async () => {
    chmodSync(folder, 0o700);
    mkdirSync(join(folder, "deep"), { mode: 0o700 });
    options = await optionsIn(join(folder, "deep"));
    const server = await start();
    expect(readFileSync(`/proc/${server.pid}/status`, "utf8")).toMatch(/^Uid:\s+65534\s/m);
    const client = await session();
    await client.query("CREATE TABLE kept AS SELECT 1 AS one");
    await client.query("CHECKPOINT");
    await server.kill();
    await start();
    expect((await (await session()).query("SELECT one FROM kept")).rows).toEqual([{ one: 1 }]);
  });
});
