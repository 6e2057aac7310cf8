import { inheritedEnvironment, programsOf } from "./programs.ts";
import { standardLayout } from "./layout.ts";
import { planCluster, portsNeeded } from "./plan.ts";
import { standardRestartPolicy } from "./restart-policy.ts";

describe("programs", () => {
  it("inherit nothing of ours that a service would refuse or that changes how Node runs", () => {
    const given = {
      PATH: "/bin",
      UNDERSTUDY_LOG_LEVEL: "debug",
      NODE_OPTIONS: "--inspect",
      npm_lifecycle_event: "start",
    };
    expect(inheritedEnvironment(given)).toEqual({ PATH: "/bin" });
  });

  it("start what others wait for first, and monitors last", () => {
    const ports = new Map(portsNeeded(standardLayout).map((name, index) => [name, 20_000 + index]));
    const plan = planCluster(
      {
        layout: standardLayout,
        dataDir: "/data",
        cluster: "understudy",
        site: "site-1",
        secretsFolder: "/s",
        isEncrypted: true,
        database: "d",
        applications: [],
        orderEntryScale: 1,
        watchedDir: "/data",
        stopTimeoutMs: 1_000,
        logLevel: "info",
      },
      ports,
    );
    const kinds = programsOf(plan, {
      natsAccess: { users: { rules: [], system: "U" }, routePassword: "r" },
      restart: standardRestartPolicy,
      linksStand: () => Promise.resolve(),
    }).map(({ kind }) => kind);
    expect([...new Set(kinds)]).toEqual([
      "network",
      "nats",
      "db-keeper",
      "message-server",
      "app-server",
      "load-balancer",
      "db-pool",
      "heartbeat-monitor",
    ]);
  });
});
