import type { LeaderTerm } from "@understudy/contracts";
import { FollowedLeader, judgeTerm } from "./followed-leader.ts";

const one = "019a0000-0000-7000-8000-000000000001";
const two = "019a0000-0000-7000-8000-000000000002";
const leader = (term: number, incarnation = one): LeaderTerm => ({
  term,
  holder: { id: "message-server-a", incarnation },
});

describe("judgeTerm", () => {
  it.each([
    ["the first that is heard is followed", undefined, leader(3), "newer"],
    ["a higher term is followed", leader(3), leader(4, two), "newer"],
    ["a higher term of the same incarnation is followed", leader(3), leader(4), "newer"],
    ["the same leader stays", leader(3), leader(3), "same"],
    ["an older term is stale", leader(3), leader(2), "stale"],
    ["an equal term from another incarnation contradicts", leader(3), leader(3, two), "contradicts"],
  ] as const)("%s", (_claim, known, offered, verdict) => {
    expect(judgeTerm(known, offered)).toBe(verdict);
  });
});

describe("FollowedLeader", () => {
  it("keeps the highest term, whatever comes after it", () => {
    const followed = new FollowedLeader();
    followed.hear(leader(5));
    followed.hear(leader(4, two));
    followed.hear(leader(5, two));
    expect(followed.known).toEqual(leader(5));
  });

  it("refuses commands of an older term and of an equal term from another incarnation as stale-term", () => {
    const followed = new FollowedLeader();
    expect(followed.obey(leader(5))).toBe("newer");
    expect(followed.obey(leader(5))).toBe("same");
    expect(() => followed.obey(leader(4))).toThrow(expect.objectContaining({ code: "stale-term" }));
    expect(() => followed.obey(leader(5, two))).toThrow(expect.objectContaining({ code: "stale-term" }));
    expect(followed.known).toEqual(leader(5));
  });
});
