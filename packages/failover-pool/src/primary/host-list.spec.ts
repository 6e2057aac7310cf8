import pg from "pg";
import { hostList } from "./host-list.ts";

const ids = (options: Parameters<typeof hostList>[0]): string[] => hostList(options).map(({ id }) => id);

it("takes libpq's form for several hosts, and what names them", () => {
  const connectionString = "postgres://app:p%40ss@db-a:5433,db-b/shop?instances=postgres-a,postgres-b&sslmode=disable";
  const hosts = hostList({ connectionString });
  expect(hosts.map(({ id, host, port }) => ({ id, host, port }))).toEqual([
    { id: "postgres-a", host: "db-a", port: 5433 },
    { id: "postgres-b", host: "db-b", port: 5432 },
  ]);
  const client = new pg.Client(hosts[1]?.config);
  expect([client.host, client.user, client.password, client.database]).toEqual(["db-b", "app", "p@ss", "shop"]);
});

it("names hosts by address where nothing else names them", () => {
  expect(ids({ connectionString: "postgres://db-a:1,db-b:2/shop" })).toEqual(["db-a:1", "db-b:2"]);
  expect(ids({ hosts: [{ host: "x" }, { id: "b", host: "y", port: 7 }], port: 6 })).toEqual(["x:6", "b"]);
  expect(ids({ host: "one", port: 5 })).toEqual(["one:5"]);
});

it("lets `hosts` win over the host of a connection string, which still gives user and database", () => {
  const [first] = hostList({ connectionString: "postgres://app:secret@else/shop", hosts: [{ host: "db-a", port: 9 }] });
  const client = new pg.Client(first?.config);
  expect([client.host, client.port, client.user, client.password, client.database]).toEqual([
    "db-a",
    9,
    "app",
    "secret",
    "shop",
  ]);
});

it("refuses names that do not fit the hosts", () => {
  expect(() => hostList({ connectionString: "postgres://a,b/shop?instances=x" })).toThrow("2 hosts and 1 instances");
  expect(() => hostList({ connectionString: "postgres://a,,b/shop" })).toThrow("is empty");
});
