import { readConfiguration, serviceVariables } from "@understudy/runtime";
import { z } from "zod";
import { advertisedUrl, appServerVariables, type AppServerConfiguration } from "./app-server.config.ts";
import type { LoadedApplications } from "./hosting/load-applications.ts";

const shop = {
  name: "shop",
  variables: { UNDERSTUDY_SHOP_NAME: z.string().min(3) },
  prepare: () => Promise.resolve(),
  module: () => ({ module: class {} }),
};
const environment = {
  UNDERSTUDY_ID: "app-server-a",
  UNDERSTUDY_NATS_SERVERS: "nats://127.0.0.1:4222",
  UNDERSTUDY_DATABASE_URL: "postgres://understudy@127.0.0.1:5432/understudy",
  UNDERSTUDY_APPLICATIONS: "@example/shop",
  UNDERSTUDY_SHOP_NAME: "corner",
};
const read = (more: Readonly<Record<string, string>> = {}, loaded?: Partial<LoadedApplications>) =>
  readConfiguration(
    { ...serviceVariables, ...appServerVariables({ applications: [shop], faults: [], ...loaded }) },
    { ...environment, ...more },
  ) as AppServerConfiguration & { readonly UNDERSTUDY_SHOP_NAME: string };

describe("appServerVariables", () => {
  it("gives the loaded applications and their checked variables", () => {
    const configuration = read();
    expect(configuration.UNDERSTUDY_APPLICATIONS).toEqual([shop]);
    expect(configuration.UNDERSTUDY_SHOP_NAME).toBe("corner");
    expect(configuration.UNDERSTUDY_CAPACITY).toBe(64);
  });

  it("lists the faults of an application's variables with all others", () => {
    const wrong = () => read({ UNDERSTUDY_SHOP_NAME: "c", UNDERSTUDY_CAPACITY: "0" }, { faults: ["is not there"] });
    expect(wrong).toThrow(/UNDERSTUDY_SHOP_NAME: /);
    expect(wrong).toThrow(/UNDERSTUDY_CAPACITY: /);
    expect(wrong).toThrow(/UNDERSTUDY_APPLICATIONS: is not there/);
  });

  it("refuses an advertised URL that is none of HTTP", () => {
    expect(() => read({ UNDERSTUDY_ADVERTISED_URL: "ftp://example" })).toThrow(/must look like http/);
  });
});

describe("advertisedUrl", () => {
  it.each([
    [{}, "http://127.0.0.1:8080"],
    [{ UNDERSTUDY_HTTP_HOST: "::1" }, "http://[::1]:8080"],
    [{ UNDERSTUDY_ADVERTISED_URL: "https://a.example:99/" }, "https://a.example:99"],
  ])("of %j is %s", (more, url) => {
    expect(advertisedUrl(read(more), 8_080)).toBe(url);
  });

  it("names the host where the listener is bound to every address", () => {
    expect(advertisedUrl(read({ UNDERSTUDY_HTTP_HOST: "0.0.0.0" }), 8_080)).not.toMatch("0.0.0.0");
  });
});
