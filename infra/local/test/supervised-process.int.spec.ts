import { readFileSync } from "node:fs";
import { eventually } from "@understudy/testkit";
import { birthOf } from "../src/process-birth.ts";
import type { ProcessEnding } from "../src/supervised.ts";
import { nextMessage, reaches, Scratch } from "./scratch-program.ts";

const lives = "process.on('message', () => {}); process.send('up')";

/** `T`: stopped by a signal. */
const kernelState = (pid: number): string => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
};

describe("a supervised process", () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.end());

  it("is started again when somebody kills it, and tells how it ended", async () => {
    const supervised = scratch.process(lives);
    supervised.start();
    await nextMessage(supervised);
    const before = supervised.pid ?? 0;
    const ended = new Promise<ProcessEnding>((resolve) => supervised.once("ended", resolve));
    process.kill(before, "SIGKILL");
    expect(await ended).toMatchObject({ pid: before, exitCode: null, signal: "SIGKILL", wasAsked: false });
    await nextMessage(supervised);
    expect(supervised.pid).not.toBe(before);
    expect(supervised.restarts).toBe(1);
  });

  it("is given longer and longer waits while it keeps dying", async () => {
    const supervised = scratch.process("process.exit(3)");
    const waits: number[] = [];
    const enough = new Promise<void>((resolve) => {
      supervised.on("state", (state) => {
        if (state.kind === "waiting" && waits.push(state.waitMs) === 4) resolve();
      });
    });
    supervised.start();
    await enough;
    expect(waits).toEqual([20, 40, 80, 80]);
  });

  it("stays down when it refuses its configuration, with its own words", async () => {
    const supervised = scratch.process("console.error('error: UNDERSTUDY_ID: is missing'); process.exit(78)");
    const ended = new Promise<ProcessEnding>((resolve) => supervised.once("ended", resolve));
    supervised.start();
    expect((await ended).lastWords).toBe("error: UNDERSTUDY_ID: is missing");
    expect(supervised.state).toEqual({ kind: "stopped", reason: "configuration" });
    expect(supervised.start()).toBe(true);
  });

  it("stays down after kill --stay until it is started", async () => {
    const supervised = scratch.process(lives);
    supervised.start();
    await nextMessage(supervised);
    const ended = supervised.ended();
    expect(supervised.kill(true)).toBe(true);
    await ended;
    expect(supervised.state).toEqual({ kind: "stopped", reason: "asked" });
    expect(supervised.kill(true)).toBe(false);
    expect(supervised.start()).toBe(true);
    await nextMessage(supervised);
    expect(supervised.state.kind).toBe("starting");
  });

  it("stands still while it is frozen and goes on where it was", async () => {
    const supervised = scratch.process(lives);
    supervised.start();
    await nextMessage(supervised);
    supervised.markReady();
    const pid = supervised.pid ?? 0;
    expect(supervised.freeze()).toBe(true);
    expect(supervised.freeze()).toBe(false);
    await eventually(() => kernelState(pid) === "T", { describe: "the kernel says stopped" });
    expect(supervised.state).toMatchObject({ kind: "frozen", pid, was: "running" });
    expect(supervised.thaw()).toBe(true);
    await eventually(() => kernelState(pid) !== "T", { describe: "it goes on" });
    expect(supervised.state).toMatchObject({ kind: "running", pid });
  });

  it("dies while it is frozen, when it is killed", async () => {
    const supervised = scratch.process(lives);
    supervised.start();
    await nextMessage(supervised);
    supervised.freeze();
    const ended = supervised.ended();
    supervised.kill(false);
    await ended;
    await nextMessage(supervised);
    expect(supervised.restarts).toBe(1);
  });

  it("takes with it all that it started", async () => {
    const supervised = scratch.process(
      "const c = require('child_process').spawn('sleep', ['600'], { detached: true }); process.send(c.pid)",
      { startsOthers: true },
    );
    supervised.start();
    const grandchild = (await nextMessage(supervised)) as number;
    expect(birthOf(grandchild)).toBeDefined();
    supervised.kill(true);
    await eventually(() => birthOf(grandchild) === undefined, { describe: "the grandchild is gone" });
  });

  it("may drain when it is stopped, and is killed when that takes too long", async () => {
    const drains = scratch.process(
      "process.on('SIGTERM', () => process.exit(7)); process.send('up'); setInterval(() => {}, 1e6)",
    );
    const hangs = scratch.process("process.on('SIGTERM', () => {}); process.send('up'); setInterval(() => {}, 1e6)");
    const endings: ProcessEnding[] = [];
    for (const each of [drains, hangs]) {
      each.on("ended", (ending) => endings.push(ending));
      each.start();
      await nextMessage(each);
      await each.stop(each === drains ? 30_000 : 50);
      expect(each.state).toEqual({ kind: "stopped", reason: "asked" });
    }
    expect(endings.map(({ exitCode, signal, wasAsked }) => ({ exitCode, signal, wasAsked }))).toEqual([
      { exitCode: 7, signal: null, wasAsked: true },
      { exitCode: null, signal: "SIGKILL", wasAsked: true },
    ]);
  });

  it("does not come to life when it is stopped while its start is prepared", async () => {
    let prepared: () => void = () => undefined;
    const preparing = new Promise<void>((resolve) => {
      prepared = resolve;
    });
    const supervised = scratch.process(lives, {
      prepare: async () => {
        await preparing;
        return { command: process.execPath, args: ["-e", lives], env: {}, cwd: scratch.path };
      },
    });
    let spawned = 0;
    supervised.on("spawned", () => spawned++);
    supervised.start();
    await supervised.stop(1_000);
    prepared();
    await preparing;
    expect(supervised.state).toEqual({ kind: "stopped", reason: "asked" });
    // A later start waits for the first preparation, then runs once.
    supervised.start();
    await nextMessage(supervised);
    expect(spawned).toBe(1);
  });

  it("is tried again when it cannot be executed", async () => {
    const supervised = scratch.process(lives, {
      prepare: () => ({ command: "/no/such/program", args: [], env: {}, cwd: scratch.path }),
    });
    const ended = new Promise<ProcessEnding>((resolve) => supervised.once("ended", resolve));
    supervised.start();
    expect(await ended).toMatchObject({ pid: undefined, exitCode: null });
    expect((await reaches(supervised, "waiting")).waitMs).toBe(20);
  });
});
