import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { signalTree } from "@understudy/engines";

/** Starts children without pause; tells when there are two. */
const forker = `
  const { spawn } = require("node:child_process");
  let started = 0;
  const again = () => {
    if (started++ < 200) spawn("sleep", ["300"], { stdio: "ignore" });
    if (started === 2) console.log("two");
    setImmediate(again);
  };
  again();`;

/** Starts children without pause through its reaper; tells when there are two. */
const parentWithReaper = `
  import { Reaper } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
  const reaper = new Reaper();
  let started = 0;
  const again = () => {
    if (started++ < 200) reaper.spawn("sleep", ["300"], { stdio: ["ignore", "ignore", "ignore"] });
    if (started === 2) console.log("two");
    setImmediate(again);
  };
  again();`;

/** Living processes with this environment, which children have from their first moment. */
function living(mark: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const isDead = /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
        return !isDead && readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`TREE=${mark}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function survivors(mark: string): Promise<number> {
  for (let tries = 0; tries < 300 && living(mark).length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const left = living(mark);
  for (const pid of left) process.kill(pid, "SIGKILL");
  return left.length;
}

// A child that is on its way while its parent is stopped or killed is in no list yet.
describe("a tree that grows while it is killed leaves nobody behind", () => {
  it.each<[string, readonly string[], (root: ChildProcess) => unknown]>([
    ["from its root", ["--eval", forker], ({ pid }) => signalTree(pid ?? 0, "SIGKILL")],
    ["by its reaper", ["--input-type=module", "--eval", parentWithReaper], (root) => root.kill("SIGKILL")],
  ])(
    "%s",
    async (by, args, kill) => {
      for (let round = 0; round < 15; round++) {
        const mark = `${process.pid} ${by} ${round}`;
        const root = spawn(process.execPath, args, {
          stdio: ["ignore", "pipe", "inherit"],
          env: { ...process.env, TREE: mark },
        });
        await once(root.stdout, "data");
        await new Promise((resolve) => setTimeout(resolve, (round * 7) % 40));
        kill(root);
        expect({ round, survivors: await survivors(mark) }).toEqual({ round, survivors: 0 });
      }
    },
    180_000,
  );
});
