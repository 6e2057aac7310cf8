import { defaultClusterSettings, workQueueSettings } from "@understudy/contracts";
import { planWorkers } from "./queue-workers.ts";

describe("what an app server's worker does", () => {
  it("is what the standard settings say, on one CPU too", () => {
    expect(planWorkers(defaultClusterSettings().workQueues, "app-server-a", 1)).toMatchObject({
      queues: [
        { name: "USERJOBS", kind: "jobs" },
        { name: "MASSJOBS", kind: "jobs" },
        { name: "SERVICES", kind: "services" },
      ],
      jobs: [
        { name: "USERJOBS", concurrency: 32 },
        { name: "MASSJOBS", concurrency: 4 },
      ],
      services: { queue: "SERVICES", most: 8 },
      refused: undefined,
    });
  });

  it("never is more than three workers per CPU, and the rest is told", () => {
    const settings = workQueueSettings.parse({
      workers: [
        { queue: "USERJOBS", workers: 2, concurrency: 5 },
        { queue: "MASSJOBS", workers: 2, concurrency: 1 },
        { queue: "SERVICES", workers: 1, concurrency: 4 },
      ],
    });
    expect(planWorkers(settings, "app-server-a", 1)).toMatchObject({
      jobs: [
        { name: "USERJOBS", concurrency: 10 },
        { name: "MASSJOBS", concurrency: 1 },
      ],
      services: { most: 0 },
      refused: "5 workers are asked for; 1 CPUs bear 3",
    });
  });

  it("is its own where the settings name it", () => {
    const settings = workQueueSettings.parse({
      appServers: { "app-server-b": { workers: [{ queue: "MASSJOBS", workers: 3, concurrency: 2 }] } },
    });
    const plan = planWorkers(settings, "app-server-b", 1);
    expect(plan.jobs).toEqual([{ name: "MASSJOBS", concurrency: 6 }]);
    expect(plan.services).toEqual({ queue: "SERVICES", most: 0 });
  });
});
