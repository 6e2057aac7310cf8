import { readFileSync } from "node:fs";
import { eventually } from "@understudy/testkit";
import { birthOf } from "../src/process-birth.ts";
import type { SupervisedProcess } from "../src/supervised-process.ts";
import { SupervisedEngine } from "../src/supervised-engine.ts";
import type { ProcessEnding } from "../src/supervised.ts";
import { reaches, Scratch } from "./scratch-program.ts";

/** A keeper in miniature: runs `sleep` as its engine, starts it again, obeys hold and release. */
const keeper = `
  const { spawn } = require("node:child_process");
  let held = false, engine;
  const tell = (pid, state) => process.send({ type: "engine", id: "postgres-a", kind: "postgres", pid, state });
  const start = () => {
    if (held) return tell(null, "stopped");
    engine = spawn("/bin/sh", ["-c", "sleep 1000 & wait"], { detached: true, stdio: "ignore" });
    tell(engine.pid, "starting");
    tell(engine.pid, "running");
    engine.once("exit", () => { engine = undefined; tell(null, held ? "stopped" : "waiting"); setTimeout(start, 50); });
  };
  process.on("message", (message) => {
    if (message.type !== "engine") return;
    held = message.wish === "hold";
    if (!held && engine === undefined) start();
  });
  // A hold that was sent at once comes before the first start.
  setTimeout(start, 100);
`;

const kernelState = (pid: number): string => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
};

describe("the engine of a keeper", () => {
  let scratch: Scratch;
  let process: SupervisedProcess;
  let engine: SupervisedEngine;
  const endings: ProcessEnding[] = [];

  beforeEach(async () => {
    scratch = new Scratch();
    endings.length = 0;
    process = scratch.process(keeper, { id: "db-keeper-a", kind: "db-keeper" });
    engine = new SupervisedEngine(
      { id: "postgres-a", kind: "postgres", machine: "machine-a", startsOthers: true },
      process,
    );
    engine.on("ended", (ending) => endings.push(ending));
    process.start();
    await reaches(engine, "running");
  });
  afterEach(async () => {
    engine.kill(true);
    await scratch.end();
  });

  it("is killed with all its children, and listed anew when its keeper has started it again", async () => {
    const before = engine.pid ?? 0;
    expect(engine.kill(false)).toBe(true);
    await engine.ended();
    expect(birthOf(before)).toBeUndefined();
    await eventually(() => engine.state.kind === "running" && engine.pid !== before);
    expect(engine.restarts).toBe(1);
    expect(endings).toEqual([expect.objectContaining({ pid: before, wasAsked: true })]);
  });

  it("stays down after kill --stay, also when its keeper starts anew, until it is started", async () => {
    engine.kill(true);
    await reaches(engine, "stopped");
    process.kill(false);
    await reaches(process, "waiting");
    await eventually(() => process.pid !== null);
    // The keeper has told that it starts nothing.
    await eventually(() => engine.state.kind === "stopped");
    expect(engine.pid).toBeNull();
    expect(engine.start()).toBe(true);
    await reaches(engine, "running");
  });

  it("never outlives its keeper", async () => {
    const before = engine.pid ?? 0;
    process.kill(true);
    await process.ended();
    await eventually(() => birthOf(before) === undefined);
    expect(engine.state).toEqual({ kind: "stopped", reason: "asked" });
    expect(engine.start()).toBe(true);
    await reaches(engine, "running");
  });

  it("freezes and thaws as a whole", async () => {
    const pid = engine.pid ?? 0;
    expect(engine.freeze()).toBe(true);
    expect(kernelState(pid)).toBe("T");
    expect(engine.state.kind).toBe("frozen");
    expect(engine.freeze()).toBe(false);
    expect(engine.thaw()).toBe(true);
    await eventually(() => kernelState(pid) !== "T");
    expect(engine.state.kind).toBe("running");
  });
});
