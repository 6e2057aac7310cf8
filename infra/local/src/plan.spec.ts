import { processId, standardLayout, checkLayout, type Layout } from "./layout.ts";
import { planCluster, portsNeeded, type ClusterPlan } from "./plan.ts";

const settings = {
  cluster: "understudy",
  site: "site-1",
  secretsFolder: "/secrets",
  database: "understudy",
  isEncrypted: true,
  applications: ["@understudy/order-entry"],
  orderEntryScale: 2,
  watchedDir: "/data",
  stopTimeoutMs: 10_000,
  logLevel: "info",
};

function plan(layout: Layout): { plan: ClusterPlan; ports: ReadonlyMap<string, number> } {
  const ports = new Map(portsNeeded(layout).map((name, index) => [name, 20_000 + index]));
  return { plan: planCluster({ ...settings, layout, dataDir: "/data" }, ports), ports };
}

const standard = plan(standardLayout);
const environmentOf = (id: string) => standard.plan.services.find((service) => service.id === id)?.environment ?? {};
const portIn = (url: string | undefined) => Number(new URL(url ?? "").port);

describe("the plan of the standard cluster", () => {
  it("has the processes of docs/architecture.md", () => {
    const { nats, postgres, services } = standard.plan;
    expect([...nats, ...postgres, ...services].map(({ id }) => id).sort()).toEqual([
      "app-server-a",
      "app-server-b",
      "app-server-c",
      "db-keeper-a",
      "db-keeper-b",
      "db-pool-a",
      "db-pool-c",
      "heartbeat-monitor-a",
      "heartbeat-monitor-c",
      "load-balancer-b",
      "load-balancer-c",
      "message-server-a",
      "message-server-b",
      "nats-a",
      "nats-b",
      "nats-c",
      "postgres-a",
      "postgres-b",
    ]);
  });

  it("needs no port twice", () => {
    const names = portsNeeded(standardLayout);
    expect(new Set(names).size).toBe(names.length);
  });

  it("gives no process a port of another machine: every crossing is a link that leads there", () => {
    const { plan, ports } = standard;
    const machineOf = (port: number) => {
      const name = [...ports].find(([, each]) => each === port)?.[0] ?? "";
      // `nats-b/client` is b's own; `machine-a>nats-b/client` is a's end of a link.
      return name.includes(">")
        ? name.slice(0, name.indexOf(">"))
        : `machine-${name.slice(0, name.indexOf("/")).at(-1)}`;
    };
    const known = [
      ...plan.nats.flatMap(({ machine, routes }) => routes.map((url) => ({ machine, port: portIn(url) }))),
      ...plan.services.flatMap(({ machine, environment }) =>
        [...JSON.stringify(environment).matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => ({
          machine,
          port: Number(port),
        })),
      ),
    ];
    expect(known.length).toBeGreaterThan(40);
    for (const { machine, port } of known) expect(machineOf(port)).toBe(machine);
  });

  it("leads each link from a machine to the port that its name says", () => {
    const { plan, ports } = standard;
    for (const { id, from, to, listenPort, targetPort } of plan.links) {
      const endpoint = id.slice(id.indexOf(">") + 1);
      expect(from).not.toBe(to);
      expect(listenPort).toBe(ports.get(id));
      expect(targetPort).toBe(ports.get(endpoint));
      expect(`machine-${endpoint.slice(0, endpoint.indexOf("/")).at(-1)}`).toBe(to);
    }
    expect(plan.links).toHaveLength(2 * 3 + 2 * 3 + 2 * 2 + 2 * 3);
  });

  it("names the NATS node of the own machine first, directly", () => {
    const [first, ...others] = environmentOf("message-server-b")["UNDERSTUDY_NATS_SERVERS"]?.split(",") ?? [];
    expect(portIn(first)).toBe(standard.ports.get("nats-b/client"));
    expect(others.map((url) => portIn(url))).toEqual([
      standard.ports.get("machine-b>nats-a/client"),
      standard.ports.get("machine-b>nats-c/client"),
    ]);
    expect(environmentOf("message-server-b")["UNDERSTUDY_NATS_NODE"]).toBe("nats-b");
  });

  it("tells balancers where each app server is reached from their machine", () => {
    const addresses = JSON.parse(environmentOf("load-balancer-c")["UNDERSTUDY_APP_SERVER_ADDRESSES"] ?? "{}") as Record<
      string,
      string
    >;
    expect(Object.keys(addresses).sort()).toEqual(["app-server-a", "app-server-b", "app-server-c"]);
    expect(portIn(addresses["app-server-c"])).toBe(standard.ports.get("app-server-c/http"));
    expect(portIn(addresses["app-server-a"])).toBe(standard.ports.get("machine-c>app-server-a/http"));
  });

  it("holds no password, only where it stands", () => {
    expect(environmentOf("app-server-b")["UNDERSTUDY_DATABASE_PASSWORD_FILE"]).toBe(
      "/secrets/for/app-server/application.password",
    );
    expect(environmentOf("app-server-b")["UNDERSTUDY_OWNER_PASSWORD_FILE"]).toBe(
      "/secrets/for/app-server/owner.password",
    );
    expect(environmentOf("app-server-b")["UNDERSTUDY_DATABASE_URL"]).toBe(
      // Its own machine's instance first, directly; the other one through a link.
      `postgres://understudy_application@127.0.0.1:${standard.ports.get("postgres-b/sql")},127.0.0.1:${standard.ports.get("machine-b>postgres-a/sql")}/understudy?instances=postgres-b,postgres-a`,
    );
  });

  it("lists each PostgreSQL beside the keeper that starts it", () => {
    expect(standard.plan.postgres).toEqual(
      ["a", "b"].map((letter) => ({
        kind: "postgres",
        id: `postgres-${letter}`,
        machine: `machine-${letter}`,
        keeper: `db-keeper-${letter}`,
        dataDir: `/data/postgres-${letter}`,
        port: standard.ports.get(`postgres-${letter}/sql`),
      })),
    );
    // The same order for both: the first one initialises the database.
    expect(environmentOf("db-keeper-b")["UNDERSTUDY_MEMBERS"]).toBe(
      `postgres-a=127.0.0.1:${standard.ports.get("machine-b>postgres-a/sql")},postgres-b=127.0.0.1:${standard.ports.get("postgres-b/sql")}`,
    );
  });
});

describe("a part of the cluster", () => {
  it("needs no links on one machine", () => {
    const { plan: small } = plan([{ id: "machine-a", runs: ["nats", "heartbeat-monitor"] }]);
    expect(small.links).toEqual([]);
    expect(small.nats[0]?.routes).toEqual([]);
  });

  it("keeps the id's letter of its machine", () => {
    expect(processId("load-balancer", "machine-b")).toBe("load-balancer-b");
  });

  it("is refused with every fault named when it cannot work", () => {
    const layout: Layout = [
      { id: "machine-a", runs: ["app-server", "app-server"] },
      { id: "Machine B", runs: [] },
    ];
    expect(() => checkLayout(layout)).toThrow(
      /app-server-a stands twice.*Machine B: a machine is named.*Machine B runs nothing.*no machine runs nats.*needs a machine that runs db-keeper/,
    );
    expect(() => checkLayout(standardLayout)).not.toThrow();
  });
});
