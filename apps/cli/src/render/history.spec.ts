import type { HistoryEntry } from "@understudy/contracts";
import { noon } from "../testing/example-cluster.ts";
import { phaseWords, renderHistory } from "./history.ts";
import { plainStyle } from "./style.ts";

const a = { id: "message-server-a", incarnation: "019b0000-0000-7000-8000-000000000001" };
const b = { id: "message-server-b", incarnation: "019b0000-0000-7000-8000-000000000002" };

const takeover: HistoryEntry = {
  type: "takeover",
  at: noon,
  term: 8,
  writtenBy: b,
  summary: "message-server-b leads",
  role: "message-server",
  from: a,
  to: b,
  evidence: [{ kind: "no-responders", at: noon, observer: "message-server-b" }],
  phases: { failedAt: noon - 31, failedAtIsExact: true, noticedAt: noon - 27, electedAt: noon - 20, actingAt: noon },
};

describe("history", () => {
  it("tells a takeover in words, the whole in milliseconds, each phase from the one before", () => {
    const text = renderHistory([takeover], noon, plainStyle);
    expect(text).toContain("message-server: message-server-b took over from message-server-a in 31 ms (term 8)");
    expect(text).toMatch(/failed \S+ → noticed \+4 ms → elected \+7 ms → acting \+20 ms/);
    expect(text).toContain("nobody answered for it (503) [no-responders, message-server-b]");
  });

  it("says what an inexact time of failure is", () => {
    const { failedAt: _unknown, ...unknown } = takeover.phases;
    expect(phaseWords({ ...takeover.phases, failedAtIsExact: false }, noon)).toMatch(/^last sign of life /);
    expect(phaseWords(unknown, noon)).toMatch(/^noticed \S+ → elected \+7 ms → acting \+20 ms$/);
  });

  it("calls a hand-over by its name", () => {
    const onPurpose: HistoryEntry = {
      ...takeover,
      evidence: [{ kind: "hand-over", at: noon, observer: "message-server-a" }],
    };
    expect(renderHistory([onPurpose], noon, plainStyle)).toContain(
      "message-server-b was handed the role from message-server-a",
    );
  });

  it("tells fates with their evidence below, of each observer the last, and the message server's words elsewhere", () => {
    const entries: HistoryEntry[] = [
      {
        type: "instance",
        at: noon,
        term: 8,
        writtenBy: b,
        summary: "app-server-c was declared lost: a long story",
        instance: { ...a, id: "app-server-c" },
        event: "lost",
        evidence: [
          { kind: "unanswered-probes", at: noon - 9, observer: "supervisor" },
          { kind: "exit", at: noon, observer: "supervisor", detail: "SIGKILL" },
        ],
      },
      {
        type: "configuration",
        at: noon,
        term: 8,
        writtenBy: b,
        summary: "drainMs: 20000 → 5000",
        version: 4,
        changedBy: "anna",
      },
    ];
    const text = renderHistory(entries, noon, plainStyle);
    expect(text).toContain("app-server-c was declared lost (term 8)");
    expect(text).toContain("why: its supervisor saw the process end [exit, supervisor]: SIGKILL");
    expect(text).not.toContain("unanswered-probes");
    expect(text).toContain("drainMs: 20000 → 5000 (term 8)");
  });

  it("shortens evidence to the width of the terminal, and not in a pipe", () => {
    const long: HistoryEntry = {
      ...takeover,
      evidence: [{ kind: "silence", at: noon, observer: "heartbeat-monitor-a", detail: "x".repeat(200) }],
    };
    const widths = (columns: number) =>
      renderHistory([long], noon, { ...plainStyle, columns })
        .split("\n")
        .map((line) => line.length);
    expect(Math.max(...widths(100))).toBe(100);
    expect(Math.max(...widths(Number.POSITIVE_INFINITY))).toBeGreaterThan(200);
  });

  it("says so when nothing happened", () => {
    expect(renderHistory([], noon, plainStyle)).toBe("Nothing happened yet.");
  });
});
