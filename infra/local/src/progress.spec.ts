import { exitWords, stateWords } from "./progress.ts";

const ending = { pid: 4711, exitCode: null, signal: null, wasAsked: false, lastWords: "", incarnation: undefined };

describe("the words of npm start", () => {
  it("tell how a process ended and what it said last", () => {
    expect(exitWords({ ...ending, signal: "SIGKILL" })).toBe("ended (SIGKILL)");
    expect(exitWords({ ...ending, exitCode: 1, lastWords: "the start failed" })).toBe(
      "ended (exit code 1): the start failed",
    );
    expect(exitWords({ ...ending, pid: undefined, lastWords: "spawn ENOENT" })).toBe(
      "could not be started: spawn ENOENT",
    );
  });

  it("keep a long complaint to one line", () => {
    const words = exitWords({ ...ending, exitCode: 1, lastWords: "x".repeat(1_000) });
    expect(words.length).toBeLessThan(200);
    expect(words.endsWith("…")).toBe(true);
  });

  it("tell when it comes back", () => {
    expect(stateWords({ kind: "waiting", waitMs: 2_000 })).toBe("starts again in 2.0 s");
    expect(stateWords({ kind: "stopped", reason: "configuration" })).toBe(
      "stays down until its configuration is mended",
    );
    expect(stateWords({ kind: "stopped", reason: "asked" })).toBeUndefined();
  });
});
