import type { Evidence } from "@understudy/contracts";
import { takeoverRecord, type TakeoverFacts } from "./takeover-record.ts";

const from = { id: "message-server-a", incarnation: "01a206b4-42b7-702e-b31c-f5b53bc8d92c" };
const to = { id: "message-server-b", incarnation: "01a206b4-42b7-702e-b31c-f5b53bc8d92d" };
const evidence = (kind: Evidence["kind"]): Evidence[] => [{ kind, at: 1_010, observer: to.id }];
const facts = (changed: Partial<TakeoverFacts> = {}): TakeoverFacts => ({
  role: "message-server",
  from,
  to,
  evidence: evidence("no-responders"),
  exit: undefined,
  lastAliveAt: 990,
  electedAt: 1_015,
  actingAt: 1_020,
  ...changed,
});

describe("takeoverRecord", () => {
  it("dates the failure by the supervisor's word when there is one", () => {
    const exit = { instance: from, machine: "machine-a", pid: 7, exitCode: null, signal: "SIGKILL", at: 1_000 };
    const record = takeoverRecord(facts({ exit }));
    expect(record.phases).toEqual({
      failedAt: 1_000,
      failedAtIsExact: true,
      noticedAt: 1_010,
      electedAt: 1_015,
      actingAt: 1_020,
    });
    expect(record.summary).toBe(
      "message-server-b took over message-server from message-server-a: its process is gone; acting after 20 ms",
    );
  });

  it("falls back to the last sign of life and says that it is not exact", () => {
    expect(takeoverRecord(facts()).phases).toMatchObject({ failedAt: 990, failedAtIsExact: false });
  });

  it("knows no failure in a planned hand-over", () => {
    const record = takeoverRecord(facts({ evidence: evidence("hand-over") }));
    expect(record.phases.failedAt).toBeUndefined();
    expect(record.summary).toContain("it handed over; acting after 10 ms");
  });

  it("says so when nobody held the role", () => {
    expect(takeoverRecord(facts({ from: undefined, evidence: evidence("first-start") })).summary).toBe(
      "message-server-b became message-server: nobody held the role",
    );
  });
});
