import { natsConfiguration, quoted, type NatsServerOptions } from "./nats-configuration.ts";

const options: NatsServerOptions = {
  name: "nats-a",
  cluster: "shop",
  dataDir: "/data/nats-a",
  clientPort: 4222,
  routePort: 6222,
  monitorPort: 8222,
  routes: ["nats://127.0.0.1:6223", "nats://127.0.0.1:6224"],
  user: "understudy",
  password: "secret",
  tags: ["machine:machine-a"],
};

describe("the configuration of a NATS node", () => {
  it("syncs before it acknowledges", () => {
    expect(natsConfiguration(options)).toContain("sync_interval: always");
  });

  it("names exactly the configured routes, with credentials that every node of the cluster derives alike", () => {
    const routesIn = (text: string) => [...text.matchAll(/"nats:\/\/([^"]+)"/g)].map((match) => match[1]);
    const own = routesIn(natsConfiguration(options));
    const other = routesIn(natsConfiguration({ ...options, name: "nats-b", user: "someone" }));
    expect(own).toHaveLength(2);
    expect(own[0]).toMatch(/^route:[0-9a-f]{64}@127\.0\.0\.1:6223$/);
    expect(other).toEqual(own);
    expect(routesIn(natsConfiguration({ ...options, password: "another" }))).not.toEqual(own);
  });

  it("encodes given route credentials for the URL", () => {
    const text = natsConfiguration({ ...options, routeUser: "r", routePassword: "a@b/c" });
    expect(text).toContain('"nats://r:a%40b%2Fc@127.0.0.1:6223"');
    expect(text).toContain('authorization { user: "r", password: "a@b/c", timeout: 2 }');
  });

  it("has no cluster without routes, so that a single node needs no quorum", () => {
    expect(natsConfiguration({ ...options, routes: [] })).not.toContain("cluster {");
  });

  it("quotes what would end a string, and refuses what nats-server cannot read", () => {
    expect(quoted(String.raw`a"b\c`)).toBe(String.raw`"a\"b\\c"`);
    expect(() => quoted("a\nb")).toThrow(RangeError);
    expect(() => natsConfiguration({ ...options, password: "pä" })).toThrow(RangeError);
  });
});
