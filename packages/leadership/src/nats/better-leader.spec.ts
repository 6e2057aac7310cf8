import { betterLeader } from "./nats-lease-store.ts";

describe("where the Raft leader of a lease's stream should be (L6)", () => {
  it.each([
    // leader, others, own, avoided, expected
    ["nats-b", ["nats-a", "nats-c"], "nats-a", [], "nats-b"],
    ["nats-a", ["nats-b", "nats-c"], "nats-a", [], "nats-b"],
    ["nats-a", ["nats-b", "nats-c"], "nats-a", ["nats-a", "nats-b"], "nats-c"],
    // Of a standby's machine: away from there too, but only to a node that is better.
    ["nats-b", ["nats-a", "nats-c"], "nats-a", ["nats-a", "nats-b"], "nats-c"],
    ["nats-b", ["nats-a"], "nats-a", ["nats-a", "nats-b"], "nats-b"],
    ["nats-a", ["nats-b"], "nats-a", ["nats-a", "nats-b"], "nats-b"],
    ["nats-a", [], "nats-a", [], undefined],
  ] as const)("led by %s with %j, own %s, avoiding %j: %s", (leader, others, own, avoided, expected) => {
    expect(betterLeader(leader, others, own, avoided)).toBe(expected);
  });
});
