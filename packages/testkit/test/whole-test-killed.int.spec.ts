import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { eventually } from "@understudy/testkit";
import { processTree } from "@understudy/engines";

/** A test process with a cluster, a database and a frozen part, which tells what it started and then is killed. */
const script = `
  import { NatsCluster, PostgresServer } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
  import { dirname } from "node:path";
  const [nats, postgres] = await Promise.all([NatsCluster.start({ nodes: 1 }), PostgresServer.start()]);
  await postgres.pool().query("SELECT 1");
  nats.node(0).freeze();
  const folders = [dirname(nats.passwordFile), dirname(postgres.passwordFile)];
  console.log(JSON.stringify({ pids: [nats.node(0).pid, postgres.pid], folders }));`;

describe("a test process that is killed", () => {
  it("leaves no engine, no backend and no folder", async () => {
    const test = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH: process.env["PATH"] },
    });
    const [line] = (await once(test.stdout, "data")) as [Buffer];
    const { pids, folders } = JSON.parse(line.toString()) as { pids: number[]; folders: string[] };
    const all = pids.flatMap(processTree);
    expect(all.length).toBeGreaterThan(5);
    expect(folders.map((folder) => existsSync(folder))).toEqual([true, true]);
    test.kill("SIGKILL");
    await eventually(() => all.every((pid) => processTree(pid).length === 0), { describe: "all processes are gone" });
    await eventually(() => folders.every((folder) => !existsSync(folder)), { describe: "the folders are gone" });
  }, 60_000);
});
