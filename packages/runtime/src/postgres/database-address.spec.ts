import { addressFor, databaseAddress } from "./database-address.ts";

describe("the address of a database", () => {
  it("names one host or several, with the instances that they are", () => {
    expect(databaseAddress("postgres://app@db.example:5433/shop")).toEqual({
      user: "app",
      database: "shop",
      hosts: [{ instance: "db.example:5433", host: "db.example", port: 5_433 }],
    });
    expect(databaseAddress("postgresql://a%40b@10.0.0.1,[::1]:6000/shop?instances=postgres-a,postgres-b")).toEqual({
      user: "a@b",
      database: "shop",
      hosts: [
        { instance: "postgres-a", host: "10.0.0.1", port: 5_432 },
        { instance: "postgres-b", host: "::1", port: 6_000 },
      ],
    });
  });

  it.each([
    ["", /must look like/],
    ["http://app@host/shop", /must look like/],
    ["postgres://app@host", /must look like/],
    ["postgres://app@a:1,:2/shop", /no host/],
    ["postgres://app@a:1,b:2/shop?instances=postgres-a", /1 instances for 2 hosts/],
  ])("%j is refused", (url, words) => {
    expect(() => databaseAddress(url)).toThrow(words);
  });

  it.each([
    ["postgres://app@a:1,b:2/shop?instances=x,y", "postgres://owner@a:1,b:2/shop?instances=x,y"],
    ["postgresql://app:geheim@[::1]:1/shop", "postgresql://owner@[::1]:1/shop"],
    ["postgres://a/shop?at=x@y", "postgres://owner@a/shop?at=x@y"],
  ])("%j for another login is %j", (url, other) => {
    expect(addressFor(url, "owner")).toBe(other);
    expect(databaseAddress(addressFor(url, "a@b")).user).toBe("a@b");
  });

  it("tells no password when it refuses", () => {
    expect(() => databaseAddress("postgres://app:geheim@a:x/shop")).toThrow(/^(?!.*geheim)/);
  });
});
