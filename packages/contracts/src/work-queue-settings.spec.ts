import {
  clusterSettings,
  defaultClusterSettings,
  lossWarnings,
  overloadedServers,
  slotsOf,
  workQueueSettings,
  type WorkingServer,
  type WorkQueueSettings,
} from "./index.ts";

const standard = defaultClusterSettings().workQueues;
const servers = (...machines: readonly string[]): WorkingServer[] =>
  machines.map((machine, index) => ({ id: `app-server-${index}`, machine, cpus: 1 }));
const faultsOf = (settings: unknown): string[] =>
  (workQueueSettings.safeParse(settings).error?.issues ?? []).map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  );

describe("the standard queues", () => {
  it("have workers on every app server, as many as one CPU bears", () => {
    expect(standard.queues.map(({ name }) => name)).toEqual(["USERJOBS", "MASSJOBS", "SERVICES"]);
    for (const { name } of standard.queues) expect(slotsOf(standard, "app-server-a", name)).toBeGreaterThan(0);
    expect(overloadedServers(standard, servers("machine-a"))).toEqual([]);
  });

  it("stand for settings that were stored before there were queues", () => {
    expect(clusterSettings.parse({ appServers: { drainMs: 5 } }).workQueues).toEqual(standard);
  });
});

describe("settings of queues are refused", () => {
  it.each([
    [
      "workers on a queue that does not exist",
      { workers: [{ queue: "NOPE" }] },
      /workers\.0\.queue: there is no queue "NOPE"/,
    ],
    [
      "a queue without workers",
      { workers: [{ queue: "USERJOBS" }, { queue: "MASSJOBS" }] },
      /"SERVICES" has no workers anywhere/,
    ],
    [
      "workers of a queue twice",
      { workers: ["USERJOBS", "USERJOBS", "MASSJOBS", "SERVICES"].map((queue) => ({ queue })) },
      /workers\.1\.queue: the workers of "USERJOBS" are there twice/,
    ],
    [
      "a queue twice",
      { queues: [1, 2].map(() => ({ name: "ONE", kind: "USERJOBS" })), workers: [{ queue: "ONE" }] },
      /the queue "ONE" is there twice/,
    ],
    [
      "an app server's workers on a queue that does not exist",
      { appServers: { "app-server-b": { workers: [{ queue: "NOPE" }] } } },
      /appServers\.app-server-b\.workers\.0\.queue/,
    ],
    ["what no setting is called", { queues: [{ name: "A", kind: "USERJOBS", speed: 1 }] }, /speed|nrecognized/],
  ])("%s", (_what, settings, expected) => {
    expect(faultsOf(settings).join("; ")).toMatch(expected);
  });

  it("unless one app server alone has the workers of a queue", () => {
    const settings = {
      workers: [{ queue: "USERJOBS" }, { queue: "SERVICES" }],
      appServers: { "app-server-b": { workers: [{ queue: "MASSJOBS", workers: 2, concurrency: 3 }] } },
    };
    expect(faultsOf(settings)).toEqual([]);
    const parsed = workQueueSettings.parse(settings);
    expect(slotsOf(parsed, "app-server-b", "MASSJOBS")).toBe(6);
    expect(slotsOf(parsed, "app-server-b", "USERJOBS")).toBe(0);
  });
});

describe("more workers than the CPUs bear", () => {
  it("are told with the numbers", () => {
    const settings: WorkQueueSettings = workQueueSettings.parse({
      workers: ["USERJOBS", "MASSJOBS", "SERVICES"].map((queue) => ({ queue, workers: 2 })),
    });
    expect(overloadedServers(settings, [{ id: "app-server-a", machine: "machine-a", cpus: 1 }])).toEqual([
      "app-server-a has 1 CPU and would get 6 workers; at most 3 (3 per CPU)",
    ]);
    expect(overloadedServers(settings, [{ id: "app-server-a", machine: "machine-a", cpus: 2 }])).toEqual([]);
  });
});

describe("N-1", () => {
  it("is silent while any one machine may be lost", () => {
    expect(lossWarnings(standard, servers("machine-a", "machine-b"), { USERJOBS: 20, SERVICES: 3 })).toEqual([]);
  });

  it("tells of queues that nobody would work on", () => {
    const warnings = lossWarnings(standard, servers("machine-a", "machine-a"), {});
    expect(warnings).toEqual(standard.queues.map(({ name }) => `${name}: without machine-a nobody works on it`));
  });

  it("tells where less would be left than usually runs", () => {
    expect(lossWarnings(standard, servers("machine-a", "machine-b"), { USERJOBS: 40 })).toEqual([
      "USERJOBS: without machine-a 32 jobs can run at the same time; usually 40 do",
      "USERJOBS: without machine-b 32 jobs can run at the same time; usually 40 do",
    ]);
  });

  it("tells of a queue whose only workers are on servers that are not there", () => {
    const settings = workQueueSettings.parse({
      workers: [{ queue: "USERJOBS" }, { queue: "SERVICES" }],
      appServers: { "app-server-z": { workers: [{ queue: "MASSJOBS" }] } },
    });
    expect(lossWarnings(settings, servers("machine-a", "machine-b"), {})).toEqual([
      "MASSJOBS: no app server that is there has workers of it; its jobs wait",
    ]);
  });
});
