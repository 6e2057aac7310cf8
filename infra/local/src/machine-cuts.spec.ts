import { MachineCuts } from "./machine-cuts.ts";
import { isCutLink, type NetworkWish } from "./network.ts";

const link = { id: "machine-a>nats-b/client", from: "machine-a", to: "machine-b", listenPort: 1, targetPort: 2 };

function cutsWith() {
  const wishes: NetworkWish[] = [];
  const cuts = new MachineCuts([link], (wish) => wishes.push(wish) > 0);
  return { cuts, wishes };
}

describe("cuts of machines", () => {
  it("tell the network the whole truth at each change, and at nothing else", () => {
    const { cuts, wishes } = cutsWith();
    expect(cuts.set("machine-b", true)).toBe(true);
    expect(cuts.set("machine-b", true)).toBe(false);
    expect(cuts.set("machine-c", true)).toBe(true);
    expect(cuts.set("machine-b", false)).toBe(true);
    expect(wishes.map(({ cut }) => cut)).toEqual([["machine-b"], ["machine-b", "machine-c"], ["machine-c"]]);
    expect(wishes.every(({ links }) => links[0]?.id === link.id)).toBe(true);
  });

  it("are applied when the network says so, not before", async () => {
    const { cuts } = cutsWith();
    cuts.set("machine-b", true);
    let isApplied = false;
    const applied = cuts.applied(60_000).then(() => (isApplied = true));
    expect(cuts.onMessage({ type: "network-report", cut: [] })).toBe(true);
    expect(cuts.onMessage({ type: "pong" })).toBe(false);
    await Promise.resolve();
    expect(isApplied).toBe(false);
    cuts.onMessage({ type: "network-report", cut: ["machine-b"] });
    await applied;
  });

  it("take each link that begins or ends at the machine, no other", () => {
    expect(isCutLink(link, ["machine-a"])).toBe(true);
    expect(isCutLink(link, ["machine-b"])).toBe(true);
    expect(isCutLink(link, ["machine-c"])).toBe(false);
  });
});
