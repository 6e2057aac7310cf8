import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processTree, Reaper } from "@understudy/engines";

const gone = async (pid: number): Promise<boolean> => {
  for (let round = 0; round < 500; round++) {
    if (processTree(pid).length === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
};

/** A process that starts a Reaper, a watched shell with a child of its own, and tells their ids. */
function parentWithReaper(folder: string) {
  const source = new URL("../dist/index.js", import.meta.url).href;
  return spawn(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { spawn } from "node:child_process";
       import { Reaper, processTree } from ${JSON.stringify(source)};
       const reaper = new Reaper();
       // The child ignores what it can and leaves the process group, as a PostgreSQL backend does.
       const child = spawn("/bin/sh", ["-c", "trap '' TERM HUP INT; setsid sleep 300 & wait"], { stdio: "ignore" });
       reaper.watch(child.pid);
       reaper.atEnd(["rm", "-rf", ${JSON.stringify(folder)}]);
       const timer = setInterval(() => {
         const tree = processTree(child.pid);
         if (tree.length < 2) return;
         clearInterval(timer);
         console.log(JSON.stringify({ tree, reaper: reaper.pid }));
       }, 10);
       setInterval(() => undefined, 1_000);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"], env: {} },
  );
}

describe("the reaper", () => {
  it("kills what was watched, its descendants too, and cleans up when its process is killed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy it's-"));
    const parent = parentWithReaper(folder);
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const { tree, reaper } = JSON.parse(line.toString()) as { tree: number[]; reaper: number };
    expect(tree.length).toBeGreaterThanOrEqual(2);
    parent.kill("SIGKILL");
    expect(await Promise.all(tree.map(gone))).not.toContain(false);
    expect(await gone(reaper)).toBe(true);
    expect(existsSync(folder)).toBe(false);
  });

  it("reaches a tree that was frozen", async () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-"));
    const parent = parentWithReaper(folder);
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const { tree } = JSON.parse(line.toString()) as { tree: number[] };
    for (const pid of tree) process.kill(pid, "SIGSTOP");
    parent.kill("SIGKILL");
    expect(await Promise.all(tree.map(gone))).not.toContain(false);
  });

  it("lives only while there is something to watch over, and starts again for the next", async () => {
    const reaper = new Reaper();
    expect(reaper.pid).toBeUndefined();
    for (let round = 0; round < 2; round++) {
      const child = spawn("sleep", ["300"], { stdio: "ignore" });
      reaper.watch(child.pid ?? 0);
      const shell = reaper.pid ?? 0;
      expect(processTree(shell)).toContain(shell);
      child.kill("SIGKILL");
      await once(child, "exit");
      reaper.release(child.pid ?? 0);
      expect(await gone(shell)).toBe(true);
    }
  });

  it("kills nothing that was released", async () => {
    const reaper = new Reaper();
    const [kept, other] = [spawn("sleep", ["300"], { stdio: "ignore" }), spawn("sleep", ["300"], { stdio: "ignore" })];
    reaper.watch(kept.pid ?? 0);
    reaper.watch(other.pid ?? 0);
    reaper.release(kept.pid ?? 0);
    const shell = reaper.pid ?? 0;
    other.kill("SIGKILL");
    reaper.release(other.pid ?? 0);
    expect(await gone(shell)).toBe(true);
    expect(processTree(kept.pid ?? 0)).toEqual([kept.pid]);
    kept.kill("SIGKILL");
    await once(kept, "exit");
  });

  it("is replaced, and told all again, when somebody kills it", async () => {
    const reaper = new Reaper();
    const child = spawn("sleep", ["300"], { stdio: "ignore" });
    reaper.watch(child.pid ?? 0);
    const first = reaper.pid ?? 0;
    process.kill(first, "SIGKILL");
    expect(await gone(first)).toBe(true);
    while (reaper.pid === undefined || reaper.pid === first) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await once(child, "exit");
    reaper.release(child.pid ?? 0);
    expect(await gone(reaper.pid ?? first)).toBe(true);
  });
});
