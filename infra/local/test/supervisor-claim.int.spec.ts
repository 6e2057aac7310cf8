import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { birthOf } from "../src/process-birth.ts";
import { SupervisorClaim } from "../src/supervisor-claim.ts";

describe("the claim of a supervisor on its folder", () => {
  let folder: TemporaryFolder;
  let others: ChildProcess[];
  const lock = () => join(folder.path, "supervisor.lock");
  const ledger = () => join(folder.path, "supervisor.json");

  function sleeper(): { pid: number; birth: string } {
    const child = spawn("sleep", ["600"]);
    others.push(child);
    const pid = child.pid as number;
    return { pid, birth: birthOf(pid) as string };
  }

  beforeEach(() => {
    folder = temporaryFolder("claim");
    others = [];
  });
  afterEach(() => {
    for (const each of others) each.kill("SIGKILL");
    folder.remove();
  });

  it("is held by one living supervisor only, and free after its release", () => {
    const claim = SupervisorClaim.take(lock(), ledger());
    expect(() => SupervisorClaim.take(lock(), ledger())).toThrow(
      `Understudy runs already in this folder (process ${process.pid}). Stop it with Ctrl-C or: kill ${process.pid}`,
    );
    claim.release();
    SupervisorClaim.take(lock(), ledger()).release();
    expect(existsSync(lock())).toBe(false);
  });

  it("passes over a lock whose supervisor is gone or was another process of the same id", () => {
    for (const birth of ["", "another boot:1"]) {
      writeFileSync(lock(), JSON.stringify({ pid: process.pid, birth }));
      SupervisorClaim.take(lock(), ledger()).release();
    }
  });

  it("ends what a dead supervisor left, and nobody who has got the id of one since", async () => {
    const [left, stranger] = [sleeper(), sleeper()];
    writeFileSync(
      ledger(),
      JSON.stringify([
        { id: "nats-a", ...left },
        { id: "nats-b", pid: stranger.pid, birth: "another boot:1" },
      ]),
    );
    const claim = SupervisorClaim.take(lock(), ledger());
    expect(claim.leftovers).toEqual(["nats-a"]);
    await eventually(() => birthOf(left.pid) === undefined, { describe: "the leftover is gone" });
    expect(birthOf(stranger.pid)).toBe(stranger.birth);
    claim.release();
  });

  it("finds in its ledger who lives and no longer who ended", async () => {
    const first = SupervisorClaim.take(lock(), ledger());
    const [one, other] = [sleeper(), sleeper()];
    first.started("nats-a", one.pid);
    first.started("nats-b", other.pid);
    first.ended(one.pid);
    // As if this process had died: the lock goes, the ledger stays.
    writeFileSync(lock(), JSON.stringify({ pid: process.pid, birth: "another boot:1" }));
    const second = SupervisorClaim.take(lock(), ledger());
    expect(second.leftovers).toEqual(["nats-b"]);
    expect(birthOf(one.pid)).toBe(one.birth);
    second.release();
  });
});
