import { jest } from "@jest/globals";
import { defaultClusterSettings } from "@understudy/contracts";
import { createLog, Identity, type SettingsWatch } from "@understudy/runtime";
import { ServerStanding } from "./server-standing.ts";
import type { Standing } from "./standing.ts";

const settings = { current: defaultClusterSettings() } as SettingsWatch;
const { lostAfterMs } = settings.current.appServers;

describe("ServerStanding", () => {
  let identity: Identity;
  let standing: ServerStanding;
  let frozenMs: number;
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
    frozenMs = 0;
    const turningMs = performance.now.bind(performance);
    jest.spyOn(performance, "now").mockImplementation(() => turningMs() + frozenMs);
    identity = new Identity({ kind: "app-server", id: "a", cluster: "c", site: "s", machine: "m" });
    standing = new ServerStanding(identity, settings, createLog("silent", "json", {}));
    standing.start();
  });
  afterEach(() => {
    standing.stop();
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  const serve = () => {
    const { incarnation } = identity;
    standing.apply({ type: "accepted", incarnation, askedAtMs: standing.nowMs() });
    standing.apply({ type: "prepared", incarnation });
  };
  /** The clock goes on, no timer fires: a process that is stopped. */
  const freeze = (ms: number) => (frozenMs += ms);

  it("notices a pause at the first request after it, before any timer", () => {
    serve();
    expect(standing.admission()).toBe("take");
    freeze(lostAfterMs);
    expect(standing.admission()).toBe("hold");
    expect(standing.current.kind).toBe("confirming");
  });

  it("takes a stall that is shorter than that for no pause", () => {
    serve();
    freeze(lostAfterMs - 1);
    expect(standing.admission()).toBe("take");
  });

  it("judges silence by its own ticks", () => {
    serve();
    jest.advanceTimersByTime(2_000);
    expect(standing.current.kind).toBe("cut-off");
    jest.advanceTimersByTime(30_000);
    expect(standing.current.kind).toBe("ending");
  });

  it("tells changes in their order, also those that a listener causes", () => {
    const told: Standing["kind"][] = [];
    standing.onChange((now) => {
      if (now.kind === "dropped") standing.apply({ type: "renewed", incarnation: "next" });
    });
    standing.onChange((now) => told.push(now.kind));
    serve();
    standing.apply({ type: "lost", incarnation: identity.incarnation, reason: "verdict" });
    expect(told).toEqual(["preparing", "serving", "dropped", "waiting"]);
  });
});
