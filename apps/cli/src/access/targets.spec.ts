import { editDistance, nearest, requireKnown } from "./targets.ts";

const known = ["message-server-a", "message-server-b", "app-server-a", "nats-a", "machine-a", "machine-b"];

describe("names that an operator types", () => {
  it.each([
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "acb", 1],
    ["kitten", "sitting", 3],
  ])("%p is %p changed by %d letters", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it("finds what was meant by a typing error, another case, or a beginning", () => {
    expect(nearest(known, "mesage-server-a")[0]).toBe("message-server-a");
    expect(nearest(known, "App-Server-A")).toEqual(["app-server-a"]);
    expect(nearest(known, "message")).toEqual(["message-server-a", "message-server-b"]);
    expect(nearest(known, "machien-b")[0]).toBe("machine-b");
  });

  it("offers nothing where nothing is near", () => {
    expect(nearest(known, "zebra")).toEqual([]);
    expect(nearest(known, "")).toEqual([]);
  });

  it("refuses an unknown name with what was meant and what there is", () => {
    expect(() => requireKnown("process or machine", "nats-q", known)).toThrow(
      'There is no process or machine "nats-q". Did you mean nats-a? Known: message-server-a,',
    );
    expect(() => requireKnown("machine", "machine-a", known)).not.toThrow();
  });
});
