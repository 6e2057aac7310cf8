import { permits, unprivilegedUser } from "./unprivileged.ts";

const user = { uid: 65_534, gid: 65_534 };

describe("permits", () => {
  it.each([
    ["others may traverse", 0o711, 0, 0, true],
    ["only the owner may", 0o700, 0, 0, false],
    ["the user is the owner", 0o700, 65_534, 0, true],
    ["the owner may not, though others may", 0o077, 65_534, 0, false],
    ["the user's group may", 0o710, 0, 65_534, true],
    ["the user's group may not, though others may", 0o701, 0, 65_534, false],
  ])("traversal when %s", (_case, mode, uid, gid, expected) => {
    expect(permits({ mode, uid, gid }, user, "traverse")).toBe(expected);
  });
});

describe("unprivilegedUser", () => {
  it("is nobody for root, and nobody else's business otherwise", () => {
    expect(unprivilegedUser(0)).toEqual(user);
    expect(unprivilegedUser(1000)).toBeUndefined();
    expect(unprivilegedUser(undefined)).toBe(process.getuid?.() === 0 ? unprivilegedUser(0) : undefined);
  });
});
