import type { RoutingTable } from "@understudy/contracts";
import { renderChecks } from "../render/doctor.ts";
import { plainStyle } from "../render/style.ts";
import { exampleRun, exampleStatus, noon } from "../testing/example-cluster.ts";
import { examine } from "./examine.ts";
import type { Answer, DoctorFacts, LocalFacts } from "./facts.ts";

const answered = (status: number, body: unknown = {}): Answer => ({ kind: "answered", status, body, ms: 1 });
const failed: Answer = { kind: "failed", reason: "connection refused" };

const figures = {
  loadPerCpu: 0.2,
  memoryTotalBytes: 16e9,
  memoryAvailableBytes: 8e9,
  diskTotalBytes: 500e9,
  diskAvailableBytes: 300e9,
};

const routing = (): RoutingTable => ({
  leader: exampleStatus().leader,
  version: 4,
  issuedAt: noon,
  servers: exampleStatus().appServers.map(({ instance, url, capacity }) => ({
    id: instance.id,
    incarnation: instance.incarnation,
    machine: instance.machine,
    url,
    state: "accepting",
    load: 0,
    capacity,
  })),
});

const local = (changes: Partial<LocalFacts> = {}): LocalFacts => {
  const run = exampleRun();
  return {
    stateFolder: ".understudy",
    run,
    supervisorAlive: true,
    controlAnswers: true,
    disk: { totalBytes: 500e9, availableBytes: 300e9 },
    processes: run.processes
      .filter(({ opsUrl }) => opsUrl !== undefined)
      .map(({ id }) => ({ id, live: answered(200), ready: answered(200) })),
    nats: [{ id: "nats-a", health: answered(200), version: "2.14.0", neighbours: [] }],
    databases: [{ id: "postgres-a", url: "postgres://app:secret@127.0.0.1:5432/orders", failure: undefined }],
    door: answered(200),
    ...changes,
  };
};

const healthy = (changes: Partial<DoctorFacts> = {}): DoctorFacts => ({
  local: local(),
  natsFailure: undefined,
  status: exampleStatus(),
  roles: exampleStatus().roles,
  routing: routing(),
  streams: [{ name: "KV_understudy_state", leader: "nats-a", replicas: 1, current: 1, behind: [] }],
  hosts: [{ machine: "machine-a", figures, clockOffsetMs: -2 }],
  node: "20.19.0",
  ...changes,
});

const found = (facts: DoctorFacts) => examine(facts).flatMap(({ findings }) => findings);
const run = exampleRun();
const withProcess = (id: string, state: (typeof run.processes)[number]["state"]): Partial<LocalFacts> => ({
  run: { ...run, processes: run.processes.map((one) => (one.id === id ? { ...one, state } : one)) },
});
const status = exampleStatus();

describe("doctor", () => {
  it("finds nothing in a healthy cluster, local or remote", () => {
    expect(found(healthy())).toEqual([]);
    expect(found(healthy({ local: undefined }))).toEqual([]);
  });

  const cases: readonly (readonly [
    claim: string,
    facts: DoctorFacts,
    subject: string,
    words: string,
    remedy: string,
  ])[] = [
    [
      "a supervisor that is gone",
      healthy({ local: local({ supervisorAlive: false }) }),
      "supervisor",
      "is gone",
      "npm start",
    ],
    [
      "a control socket that is mute",
      healthy({ local: local({ controlAnswers: false }) }),
      "supervisor",
      "control socket",
      "npm start",
    ],
    [
      "a machine that is cut off",
      healthy({ local: local({ run: { ...run, machines: [{ id: "machine-b", cut: true }] } }) }),
      "machine-b",
      "cut off",
      "understudy heal machine-b",
    ],
    [
      "a frozen process",
      healthy({ local: local(withProcess("app-server-a", "frozen")) }),
      "app-server-a",
      "frozen",
      "understudy thaw app-server-a",
    ],
    [
      "a stopped process",
      healthy({ local: local(withProcess("nats-a", "stopped")) }),
      "nats-a",
      "is down",
      "understudy start nats-a",
    ],
    [
      "a process that does not stay up",
      healthy({ local: local(withProcess("nats-a", "waiting")) }),
      "nats-a",
      "ended",
      "understudy logs nats-a",
    ],
    [
      "a process that does not answer",
      healthy({ local: local({ processes: [{ id: "app-server-a", live: failed, ready: failed }] }) }),
      "app-server-a",
      "does not answer /livez (connection refused)",
      "understudy logs app-server-a",
    ],
    [
      "a process that is not ready, with its reason",
      healthy({
        local: local({
          processes: [
            {
              id: "app-server-a",
              live: answered(200),
              ready: answered(503, {
                conditions: { database: { ready: false, reason: "no answer" }, nats: { ready: true } },
              }),
            },
          ],
        }),
      }),
      "app-server-a",
      "is not ready: database (no answer)",
      "understudy logs app-server-a",
    ],
    [
      "a NATS node that is not connected to another",
      healthy({
        local: local({
          nats: ["nats-a", "nats-b"].map((id) => ({
            id,
            health: answered(200),
            version: "2.14.0",
            neighbours: ["nats-a"],
          })),
        }),
        streams: [],
      }),
      "nats-a",
      "not connected to nats-b",
      "heal",
    ],
    ["no way into NATS", healthy({ natsFailure: "No NATS node can be reached." }), "NATS", "can be reached", "start"],
    [
      "a stream without a leader",
      healthy({ streams: [{ name: "S", leader: undefined, replicas: 3, current: 0, behind: [] }] }),
      "S",
      "no leader",
      "majority",
    ],
    [
      "a stream with a copy behind",
      healthy({ streams: [{ name: "S", leader: "nats-a", replicas: 3, current: 2, behind: ["nats-c"] }] }),
      "S",
      "2 of 3 copies up to date (behind: nats-c)",
      "catches up",
    ],
    [
      "no message server, with the last one known",
      healthy({ status: undefined }),
      "message server",
      "in the configuration: message-server-a (term 7)",
      "start one",
    ],
    [
      "a term that is not in the database",
      healthy({ status: { ...status, termInDatabase: false } }),
      "message-server-a",
      "does not stand in the database",
      "database",
    ],
    [
      "no alternate",
      healthy({ status: { ...status, roles: { ...status.roles, alternates: [] } } }),
      "alternate",
      "there is none",
      "start",
    ],
    [
      "an alternate that is not ready",
      healthy({
        status: {
          ...status,
          instances: status.instances.map((one) => ({ ...one, ready: one.instance.id !== "message-server-b" })),
        },
      }),
      "alternate",
      "message-server-b cannot take over now",
      "understudy start message-server-b",
    ],
    [
      "an app server that nobody accepted",
      healthy({ status: { ...status, appServers: status.appServers.slice(1) } }),
      "app-server-a",
      "no message server has accepted it",
      "understudy logs app-server-a",
    ],
    [
      "an app server that is missing in the routing table",
      healthy({ routing: { ...routing(), servers: routing().servers.slice(1) } }),
      "app-server-a",
      "not in the routing table",
      "understudy logs message-server-a",
    ],
    [
      "a routing table that is not published",
      healthy({ routing: undefined }),
      "routing table",
      "not published",
      "understudy logs",
    ],
    [
      "no app server that takes requests",
      healthy({
        status: { ...status, appServers: status.appServers.map((one) => ({ ...one, state: "draining" as const })) },
      }),
      "app servers",
      "none takes requests",
      "resume",
    ],
    [
      "a silent instance",
      healthy({
        status: {
          ...status,
          instances: status.instances.map((one) => ({ ...one, verdict: "silent" as const, lastBeatMs: 4_000 })),
        },
      }),
      "app-server-a",
      "is silent: last beat 4.0 s ago",
      "understudy logs app-server-a",
    ],
    [
      "a database that cannot be reached, without telling its password",
      healthy({
        local: local({
          databases: [
            { id: "postgres-a", url: "postgres://app:secret@127.0.0.1:5432/x", failure: "connection refused" },
          ],
        }),
      }),
      "postgres-a",
      "cannot be reached at postgres://app@127.0.0.1:5432/x (connection refused)",
      "understudy start postgres-a",
    ],
    [
      "a URL that gives users nothing",
      healthy({ local: local({ door: answered(503) }) }),
      "http://127.0.0.1:8080/api/openapi.json",
      "answers 503",
      "load balancers",
    ],
    [
      "a full disk",
      healthy({ local: local({ disk: { totalBytes: 500e9, availableBytes: 5e9 } }) }),
      ".understudy",
      "5.0 GB of disk left (1 %)",
      "make room",
    ],
    [
      "a machine without memory",
      healthy({
        hosts: [{ machine: "machine-a", figures: { ...figures, memoryAvailableBytes: 1e8 }, clockOffsetMs: 0 }],
      }),
      "machine-a",
      "100 MB of memory left",
      "more memory",
    ],
    [
      "a wrong clock",
      healthy({ hosts: [{ machine: "machine-a", figures, clockOffsetMs: -90_000 }] }),
      "machine-a",
      "1 min behind",
      "NTP",
    ],
    [
      "another protocol",
      healthy({ status: { ...status, appServers: status.appServers.map((one) => ({ ...one, protocol: 2 })) } }),
      "app-server-a",
      "speaks protocol 2",
      "same version",
    ],
    [
      "NATS nodes of different versions",
      healthy({
        local: local({
          nats: ["2.14.0", "2.12.0"].map((version) => ({
            id: "nats-a",
            health: answered(200),
            version,
            neighbours: [],
          })),
        }),
        streams: [],
      }),
      "NATS nodes",
      "2.14.0, 2.12.0",
      "same version",
    ],
  ];

  it.each(cases)("finds %s and says what to do", (_claim, facts, subject, words, remedy) => {
    expect(found(facts)).toContainEqual({
      subject,
      problem: expect.stringContaining(words),
      remedy: expect.stringContaining(remedy),
    });
  });

  it("does not call deliberate draining a fault while others serve", () => {
    const appServers = status.appServers.map((one, at) => (at === 0 ? { ...one, state: "draining" as const } : one));
    expect(found(healthy({ status: { ...status, appServers } }))).toEqual([]);
  });

  it("names a machine that is down as a whole once", () => {
    const processes = run.processes.map((one) =>
      Object.assign({}, one, { state: one.machine === "machine-b" ? "stopped" : one.state }),
    );
    expect(found(healthy({ local: local({ run: { ...run, processes } }) }))[0]).toEqual({
      subject: "machine-b",
      problem: "is down and stays down (2 processes)",
      remedy: "understudy start machine-b",
    });
  });

  it("names a pulled cable once, and that nobody could take over; what follows from it is not told again", () => {
    const nats = run.processes.filter(({ kind }) => kind === "nats");
    const cut = {
      ...run,
      machines: [{ id: "machine-b", cut: true }],
      processes: [
        ...run.processes,
        ...nats.map((one) => Object.assign({}, one, { id: "nats-b", machine: "machine-b" })),
      ],
    };
    const facts = healthy({
      local: local({
        run: cut,
        nats: [
          { id: "nats-a", health: answered(200), version: "2.14.0", neighbours: [] },
          { id: "nats-b", health: answered(503), version: "2.14.0", neighbours: [] },
        ],
        processes: [{ id: "app-server-b", live: answered(200), ready: answered(503) }],
      }),
      status: {
        ...status,
        appServers: status.appServers.map((one, at) => ({ ...one, state: at === 1 ? "lost" : "accepting" })),
        instances: status.instances.map((one, at) =>
          Object.assign({}, one, { verdict: at % 2 === 1 ? "silent" : "alive" }),
        ),
      },
      streams: [{ name: "S", leader: "nats-a", replicas: 2, current: 1, behind: ["nats-b"] }],
    });
    expect(found(facts).map(({ subject }) => subject)).toEqual(["machine-b", "alternate"]);
  });

  it("names the cause once: a node that is down is not reported again as unhealthy or silent", () => {
    const facts = healthy({
      local: local({
        ...withProcess("nats-a", "stopped"),
        nats: [{ id: "nats-a", health: failed, version: undefined, neighbours: undefined }],
      }),
    });
    expect(found(facts).filter(({ subject }) => subject === "nats-a")).toHaveLength(1);
  });

  it("shows every check with a mark, what is wrong, and the remedy under it", () => {
    const text = renderChecks(examine(healthy({ local: local(withProcess("nats-a", "stopped")) })), plainStyle);
    expect(text).toMatch(/✔ supervisor/);
    expect(text).toMatch(/✘ processes.*\n {4}nats-a is down and stays down\n {6}→ understudy start nats-a/);
    expect(text).toMatch(/1 thing is wrong\.$/);
    expect(renderChecks(examine(healthy()), plainStyle)).toMatch(/Nothing is wrong\.$/);
  });
});
