import { jest } from "@jest/globals";
import { DatabaseUnavailableError } from "../errors/pool-errors.ts";
import type { HostAnswer, ServerFacts } from "./choose-primary.ts";
import type { Host } from "./host-list.ts";
import { PrimaryFinder, type Primary } from "./primary-finder.ts";

const hosts: Host[] = ["a", "b"].map((id) => ({ id, host: id, port: 1, config: {} }));
const away: HostAnswer = { type: "failed", kind: "lost", reason: "refused", error: new Error("refused") };
const server = (part: Partial<ServerFacts>): HostAnswer => ({
  type: "facts",
  facts: { isStandby: false, timeline: 1, system: "7", startedAt: "noon", ...part },
});

function rig(answers: Record<string, HostAnswer>) {
  const told: string[] = [];
  let asked = 0;
  const finder = new PrimaryFinder({
    hosts,
    expectedSystem: undefined,
    ask: (host) => {
      asked++;
      return { answer: Promise.resolve(answers[host.id] ?? away), stop: () => undefined };
    },
    found: (primary) => told.push(`found ${primary.host.id} ${primary.timeline}`),
    lost: (last) => told.push(`lost ${last.host.id}`),
  });
  const soon = () => performance.now() + 5_000;
  return { finder, answers, told, soon, asked: () => asked };
}

it("finds the primary for its first caller, and asks nobody for the next", async () => {
  const { finder, soon, asked } = rig({ a: server({ isStandby: true }), b: server({}) });
  expect((await finder.wait(soon())).host.id).toBe("b");
  expect((await finder.wait(soon())).host.id).toBe("b");
  expect(asked()).toBe(2);
  finder.stop();
});

it("releases waiting callers in their order, when the standby has been promoted", async () => {
  const { finder, answers, told, soon } = rig({ a: server({}), b: server({ isStandby: true }) });
  const first = await finder.wait(soon());
  answers["a"] = away;
  finder.failed(first, new Error("gone"));
  const order: number[] = [];
  const waiting = [1, 2, 3].map((turn) => finder.wait(soon()).then(() => order.push(turn)));
  expect(finder.waiting).toBe(3);
  answers["b"] = server({ timeline: 2 });
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
  expect(told).toEqual(["found a 1", "lost a", "found b 2"]);
  expect(finder.withoutPrimaryMs).toBeGreaterThan(0);
  finder.stop();
});

it("does not take a zombie back, and tells callers why they waited in vain", async () => {
  const { finder, answers, soon } = rig({ a: server({}), b: server({ timeline: 2, startedAt: "later" }) });
  const primary = await finder.wait(soon());
  expect(primary.host.id).toBe("b");
  answers["b"] = away;
  finder.failed(primary, new Error("gone"));
  const answer = finder.wait(performance.now() + 300);
  await expect(answer).rejects.toBeInstanceOf(DatabaseUnavailableError);
  await expect(answer).rejects.toThrow("a: is a primary of timeline 1, which was replaced by 2; b: refused");
  finder.stop();
});

it("a doubt changes nothing while no newer primary is proven, and everything when one is", async () => {
  const { finder, answers, told, soon } = rig({ a: server({}), b: server({ isStandby: true }) });
  await finder.wait(soon());
  answers["a"] = { type: "silent" };
  await finder.doubt();
  expect(finder.primary?.host.id).toBe("a");
  answers["b"] = server({ timeline: 1, startedAt: "later" });
  await finder.doubt();
  expect(finder.primary?.host.id).toBe("a");
  answers["b"] = server({ timeline: 2, startedAt: "later" });
  await finder.doubt();
  expect(told).toEqual(["found a 1", "found b 2"]);
  finder.stop();
});

it("a failure that an older connection reports does not depose the present primary", async () => {
  const { finder, answers, told, soon } = rig({ a: server({}) });
  const old: Primary = await finder.wait(soon());
  answers["b"] = server({ timeline: 2, startedAt: "later" });
  await finder.doubt();
  finder.failed(old, new Error("gone"));
  expect(told).toEqual(["found a 1", "found b 2"]);
  finder.stop();
});

it("tells at once what waiting does not mend, and goes on looking", async () => {
  const wrong = Object.assign(new Error("password authentication failed"), { code: "28P01" });
  const { finder, answers, soon } = rig({ a: { type: "failed", kind: "told", reason: "wrong", error: wrong } });
  await expect(finder.wait(soon())).rejects.toBe(wrong);
  answers["a"] = server({});
  expect((await finder.wait(soon())).host.id).toBe("a");
  finder.stop();
});

it("an end tells those who wait", async () => {
  const { finder, soon } = rig({});
  const waiting = finder.wait(soon());
  finder.stop();
  await expect(waiting).rejects.toThrow("The pool has ended.");
  await expect(finder.wait(soon())).rejects.toThrow("The pool has ended.");
});

describe("what a host says between two rounds", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** Host a never answers, b when it is told to. */
  function slowRig() {
    const answers: ((answer: HostAnswer) => void)[] = [];
    const finder = new PrimaryFinder({
      hosts,
      expectedSystem: undefined,
      ask: ({ id }) => ({
        answer: new Promise((resolve) => id === "b" && answers.push(resolve)),
        stop: () => undefined,
      }),
      found: () => undefined,
      lost: () => undefined,
    });
    return { finder, answers, primary: finder.wait(performance.now() + 60_000) };
  }
  const firstRoundIsOver = () => jest.advanceTimersByTimeAsync(155);

  it("counts, and ends the wait, when it is the primary", async () => {
    const { finder, answers, primary } = slowRig();
    await firstRoundIsOver();
    answers[0]?.(server({}));
    // What a says is waited for, but not for long.
    await jest.advanceTimersByTimeAsync(70);
    expect(finder.primary?.host.id).toBe("b");
    expect((await primary).host.id).toBe("b");
    expect(answers).toHaveLength(1);
    finder.stop();
  });

  it("is asked anew when it is no primary: it may have become one since", async () => {
    const { finder, answers, primary } = slowRig();
    await firstRoundIsOver();
    answers[0]?.(server({ isStandby: true }));
    await jest.advanceTimersByTimeAsync(30);
    expect(answers).toHaveLength(2);
    answers[1]?.(server({}));
    await jest.advanceTimersByTimeAsync(70);
    expect((await primary).host.id).toBe("b");
    finder.stop();
  });
});
