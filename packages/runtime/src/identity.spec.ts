import { Identity } from "./identity.ts";

const identity = () =>
  new Identity({ kind: "app-server", id: "app-server-a", cluster: "test", site: "site-1", machine: "machine-a" });

describe("Identity", () => {
  it("tells its listeners of a new incarnation, which sorts after the old one", () => {
    const one = identity();
    const before = one.incarnation;
    const heard: string[] = [];
    one.onChange((incarnation) => heard.push(incarnation));
    const after = one.takeNewIncarnation().incarnation;
    expect(heard).toEqual([after]);
    expect(after > before).toBe(true);
  });

  it("pinned, keeps the incarnation that it had then", () => {
    const one = identity();
    const pinned = one.pinned();
    const before = one.ref;
    one.takeNewIncarnation();
    expect(pinned.ref).toEqual(before);
    expect(pinned.full.machine).toBe("machine-a");
  });

  it("reports a refusal of a pinned incarnation to who listens on the whole, naming the pinned one", () => {
    const one = identity();
    const refused: string[] = [];
    one.onStandingRefused(({ incarnation }) => refused.push(incarnation));
    const pinned = one.pinned();
    one.takeNewIncarnation();
    pinned.standingRefused();
    expect(refused).toEqual([pinned.incarnation]);
  });
});
