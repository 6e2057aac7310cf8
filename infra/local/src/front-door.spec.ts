import { chooseBalancer, standardFrontDoorTimes as times, type BalancerCondition } from "./front-door.ts";

const well: BalancerCondition = { accepts: true, unansweredForMs: 0 };
const slow: BalancerCondition = { accepts: true, unansweredForMs: 400 };
const frozen: BalancerCondition = { accepts: true, unansweredForMs: 2_000 };
const closed: BalancerCondition = { accepts: false, unansweredForMs: 0 };

describe("the choice of a balancer", () => {
  it("takes them in turn", () => {
    expect(chooseBalancer([well, well, well], -1, times)).toBe(0);
    expect(chooseBalancer([well, well, well], 0, times)).toBe(1);
    expect(chooseBalancer([well, well, well], 2, times)).toBe(0);
  });

  it("skips who does not accept or does not answer", () => {
    expect(chooseBalancer([closed, slow, well], -1, times)).toBe(2);
    expect(chooseBalancer([well, closed], 0, times)).toBe(0);
  });

  it("prefers a slow one to nobody, but not a frozen one", () => {
    expect(chooseBalancer([closed, slow], -1, times)).toBe(1);
    expect(chooseBalancer([frozen, closed], -1, times)).toBe(-1);
    expect(chooseBalancer([], -1, times)).toBe(-1);
  });
});
