import { hostBasedAuthentication, postgresSettings, type PostgresOptions } from "./postgres-configuration.ts";

const options: PostgresOptions = {
  name: "postgres-a",
  dataDir: "/data",
  port: 5432,
  password: "secret",
  database: "shop",
};

describe("the configuration of PostgreSQL", () => {
  it("lets nobody in without a password", () => {
    const methods = hostBasedAuthentication()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(" ").at(-1));
    expect(new Set(methods)).toEqual(new Set(["scram-sha-256"]));
  });

  it("lets only the named roles in, each where it belongs", () => {
    const text = hostBasedAuthentication({
      user: "keeper",
      password: "k",
      streaming: { user: "streamer", password: "s" },
      admits: { database: "shop", clients: ["owner", "application"], backup: "backup" },
    });
    expect(text.split("\n").filter((line) => line.startsWith("host"))).toEqual([
      'host replication "keeper","streamer" all scram-sha-256',
      'host all "keeper" all scram-sha-256',
      'host "shop" "owner","application" all scram-sha-256',
      'host replication "backup" all scram-sha-256',
    ]);
  });

  it("lets given settings win and quotes their values", () => {
    const text = postgresSettings({ ...options, settings: { max_connections: "50", search_path: "it's" } });
    expect(text).toContain("max_connections = '50'");
    expect(text).toContain("search_path = 'it''s'");
    expect(text.match(/max_connections/g)).toHaveLength(1);
  });

  it("does not hold the password", () => {
    expect(postgresSettings(options)).not.toContain("secret");
  });

  it("refuses a name that would smuggle in another setting", () => {
    expect(() => postgresSettings({ ...options, settings: { "a = 1\nfsync": "off" } })).toThrow(RangeError);
  });
});
