import type { DetectorReport, Evidence, RegisteredServer } from "@understudy/contracts";
import { decideFate, type FateFacts } from "./fate.ts";

const incarnation = "01a206b4-42b7-702e-b31c-f5b53bc8d92c";
const server: RegisteredServer = {
  instance: {
    id: "app-server-a",
    incarnation,
    kind: "app-server",
    cluster: "understudy",
    site: "site-1",
    machine: "machine-a",
  },
  protocol: 1,
  url: "http://127.0.0.1:1",
  capacity: 10,
  applications: [],
  state: "accepting",
  since: 0,
  evidence: [],
};
const evidence: Evidence = { kind: "no-responders", at: 0, observer: "heartbeat-monitor-a" };
const report = (verdict: DetectorReport["verdict"], silentMs: number, heardAt = 9_900) => ({
  report: {
    monitor: "heartbeat-monitor-a",
    instance: { id: "app-server-a", incarnation },
    verdict,
    silentMs,
    evidence: [evidence],
  },
  heardAt,
});
const facts = (changed: Partial<FateFacts> = {}): FateFacts => ({
  now: 10_000,
  lostAfterMs: 3_000,
  listeningSince: 0,
  lastBeatAt: 9_800,
  exit: undefined,
  reports: [],
  livingMonitors: 2,
  ...changed,
});

describe("decideFate", () => {
  it("leaves a beating server alone", () => {
    expect(decideFate(server, facts()).kind).toBe("alive");
  });

  it("loses a server at once on its supervisor's word, without a probe", () => {
    expect(decideFate(server, facts({ exit: { ...evidence, kind: "exit" } }))).toMatchObject({
      kind: "lost",
      needsProbe: false,
    });
  });

  it("only suspects a server whose subject answered 503", () => {
    expect(decideFate(server, facts({ reports: [report("suspect", 300)] })).kind).toBe("suspect");
  });

  it("clears the suspicion with a beat heard after it", () => {
    expect(decideFate(server, facts({ reports: [report("suspect", 300, 9_700)], lastBeatAt: 9_800 })).kind).toBe(
      "alive",
    );
  });

  it("loses a server that a monitor and the leader itself have not heard for lostAfterMs, after a probe", () => {
    expect(decideFate(server, facts({ lastBeatAt: 6_900, reports: [report("silent", 3_000)] }))).toMatchObject({
      kind: "lost",
      needsProbe: true,
    });
  });

  it("does not lose a server that only a monitor finds silent", () => {
    expect(decideFate(server, facts({ lastBeatAt: 9_500, reports: [report("silent", 5_000)] })).kind).not.toBe("lost");
  });

  it("does not lose a server that only the leader finds silent while monitors live", () => {
    expect(decideFate(server, facts({ lastBeatAt: 1_000, reports: [] })).kind).not.toBe("lost");
  });

  it("trusts its own ears when no monitor is left", () => {
    expect(decideFate(server, facts({ lastBeatAt: 1_000, livingMonitors: 0 })).kind).toBe("lost");
  });

  it("does not count the time in which it was not listening itself", () => {
    const deaf = facts({ lastBeatAt: 1_000, listeningSince: 9_000, reports: [report("silent", 9_000)] });
    expect(decideFate(server, deaf).kind).not.toBe("lost");
  });

  it("ignores old reports", () => {
    expect(decideFate(server, facts({ lastBeatAt: 6_000, reports: [report("silent", 4_000, 7_000)] })).kind).not.toBe(
      "lost",
    );
  });

  it("judges nobody twice", () => {
    expect(decideFate({ ...server, state: "lost" }, facts({ exit: evidence })).kind).toBe("alive");
  });
});
