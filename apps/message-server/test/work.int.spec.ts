import { routingPublished, setConfiguration, getConfiguration, type RoutingTable } from "@understudy/contracts";
import { call, listen, workQueueSchema } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { defineJob, WorkQueue } from "@understudy/work-queue";
import type pg from "pg";
import { MessageServerCluster } from "./message-server-cluster.ts";
import { newChangeId, type ScriptedAppServer } from "./scripted-app-server.ts";

const again = defineJob({ queue: "USERJOBS", type: "again", restartable: true });
const once = defineJob({ queue: "USERJOBS", type: "once", restartable: false });

describe("background work, as the message server looks after it", () => {
  let cluster: MessageServerCluster;
  let pool: pg.Pool;
  let queue: WorkQueue;
  let table: RoutingTable | undefined;

  beforeAll(async () => {
    cluster = await MessageServerCluster.start({ nodes: 1, servers: ["a", "b"] });
    pool = cluster.postgres.pool();
    queue = new WorkQueue({ pool, schema: workQueueSchema });
    // The message server makes the schema before it accepts anybody.
    await eventually(() => queue.queues.define({ name: "USERJOBS" }).then(() => true), {
      withinMs: 20_000,
      describe: "the work queue is there",
    });
    await queue.queues.define({ name: "SERVICES", kind: "services" });
    listen(cluster.connection, routingPublished, (published) => (table = published));
  });
  afterAll(async () => {
    await cluster.stop();
  });

  /** Accepted, and known to the work queue as its worker would make it known. */
  const working = async (id: string, cpus?: number): Promise<ScriptedAppServer> => {
    const app = await cluster.appServer(id);
    await eventually(async () => (await app.register({ ...(cpus !== undefined && { cpus }) })).verdict === "accepted", {
      withinMs: 10_000,
      describe: `${id} is accepted`,
    });
    await hold(app);
    return app;
  };
  const hold = (app: ScriptedAppServer) =>
    pool.query(`SELECT ${workQueueSchema}.register_holder($1, $2, false, $3)`, [
      app.incarnation,
      app.id,
      JSON.stringify({ USERJOBS: ["again", "once"] }),
    ]);
  const claim = (app: ScriptedAppServer, limit: number) =>
    pool.query(`SELECT id FROM ${workQueueSchema}.claim($1, 'USERJOBS', $2, NULL)`, [app.incarnation, limit]);
  const stateOf = async (id: string) => (await queue.jobs.get(id))?.state;
  const serviceOf = async (name: string) => (await queue.services.list()).find((service) => service.name === name);
  const leave = (app: ScriptedAppServer) => {
    app.silence();
    app.reportExit();
    return eventually(
      async () =>
        (await cluster.status()).appServers.find(({ instance }) => instance.incarnation === app.incarnation)?.state ===
        "lost",
      { withinMs: 10_000, describe: `${app.id} is lost` },
    );
  };
  const leader = async () => (await cluster.status()).leader;

  it("takes a lost server's jobs away: restartable ones are queued, the others aborted with the reason", async () => {
    const app = await working("app-server-k");
    const [first, second] = [await queue.enqueue(again, null), await queue.enqueue(once, null)];
    expect((await claim(app, 10)).rowCount).toBe(2);
    await leave(app);
    expect(await stateOf(first.id)).toBe("queued");
    expect(await queue.jobs.get(second.id)).toMatchObject({
      state: "aborted",
      reason: expect.stringMatching(/^app-server-k was declared lost: .*SIGKILL/) as string,
    });
    // Q2, Q3: it holds nothing any more and gets nothing.
    await expect(claim(app, 10)).rejects.toThrow(/lost/);
    const note = await eventually(
      async () =>
        (await cluster.history()).find(
          (entry) => entry.type === "instance" && entry.event === "lost" && entry.instance.id === app.id,
        ),
      { withinMs: 5_000, describe: "the loss stands in the history" },
    );
    expect(note.summary).toMatch(/of its work 1 queued again, 1 aborted/);
    await queue.jobs.cancel(first.id);
  });

  it("finishes what a leader left undone: a verdict that the work queue has not heard of", async () => {
    const app = await working("app-server-l");
    const { id } = await queue.enqueue(again, null);
    await claim(app, 10);
    await pool.query(
      "UPDATE understudy.instance_standing SET standing = 'lost', reason = 'silence' WHERE incarnation = $1",
      [app.incarnation],
    );
    await eventually(async () => (await stateOf(id)) === "queued", {
      withinMs: 5_000,
      describe: "its job is queued again",
    });
    await queue.jobs.cancel(id);
    app.silence();
  });

  it("lets no message server of an older term take anything away", async () => {
    const app = await working("app-server-m");
    const { id } = await queue.enqueue(again, null);
    await claim(app, 10);
    const { term } = await leader();
    const taken = await queue.holders.loseHolder(app.incarnation, { term: term - 1 || 0, reason: "a paused leader" });
    expect(taken.isAccepted).toBe(false);
    expect(await stateOf(id)).toBe("running");
    await leave(app);
    await queue.jobs.cancel(id);
  });

  it("places services on different machines, moves them from a lost one, and hands over from one that drains", async () => {
    const [one, two] = [await working("app-server-x"), await working("app-server-y")];
    for (const name of ["first", "second"]) await queue.services.define({ name, queue: "SERVICES" });
    const placed = await eventually(
      async () => {
        const services = [await serviceOf("first"), await serviceOf("second")];
        if (services.some((service) => service?.placedOn === undefined)) throw new Error(JSON.stringify(services));
        return services;
      },
      { withinMs: 10_000, describe: "both are placed" },
    );
    expect(placed.map((service) => service?.placedOn ?? "").toSorted()).toEqual([one.id, two.id]);
    const claimed = async (app: ScriptedAppServer) => {
      await pool.query(`SELECT ${workQueueSchema}.claim_services($1, 'SERVICES', ARRAY['first', 'second'], 9, '{}')`, [
        app.incarnation,
      ]);
    };
    await claimed(one);
    await claimed(two);
    const ofTwo = placed.find((service) => service?.placedOn === two.id)?.name ?? "";
    await leave(two);
    await eventually(async () => (await serviceOf(ofTwo))?.placedOn === one.id, {
      withinMs: 5_000,
      describe: "what was lost is placed elsewhere",
    });
    await claimed(one);
    expect((await queue.services.list()).map(({ incarnation }) => incarnation)).toEqual([
      one.incarnation,
      one.incarnation,
    ]);
    const three = await working("app-server-z");
    await eventually(
      async () => (await queue.services.list()).filter(({ successor }) => successor === three.incarnation).length === 1,
      { withinMs: 10_000, describe: "one of the two is to move to the new machine" },
    );
    // Nobody claims: the old instance goes on until the successor takes over.
    expect((await queue.services.list()).every(({ incarnation }) => incarnation === one.incarnation)).toBe(true);
    for (const name of ["first", "second"]) await queue.services.remove(name);
    await Promise.all([leave(one), leave(three)]);
  });

  describe("settings of queues", () => {
    const read = async () => (await cluster.ask(getConfiguration, {})).settings;
    const change = async (workQueues: object) => {
      const { version, settings } = await read();
      return call(
        cluster.connection,
        setConfiguration,
        {
          expectedVersion: version,
          changeId: newChangeId(),
          changedBy: "test",
          settings: { ...settings, workQueues: { ...settings.workQueues, ...workQueues } },
        },
        { timeoutMs: 5_000 },
      );
    };

    it("that ask more of a server than it bears are refused; too little without a machine is told", async () => {
      const app = await working("app-server-v", 1);
      const own = (workers: number) => ({ [app.id]: { workers: [{ queue: "USERJOBS", workers }] } });
      await expect(change({ appServers: own(4) })).rejects.toThrow(/app-server-v has 1 CPU and would get 4 workers/);
      await change({ appServers: own(3) });
      const warning = "USERJOBS: without machine-v nobody works on it";
      // Until the servers of the tests before are gone, they work on it too.
      await eventually(async () => (await cluster.status()).warnings.includes(warning), { withinMs: 15_000 });
      expect((await change({ appServers: own(2) })).warnings).toContain(warning);
      await expect(change({ workers: [{ queue: "NOPE" }] })).rejects.toThrow(/there is no queue "NOPE"/);
      await change({ appServers: {} });
      await leave(app);
    });

    it("can keep users away from a server", async () => {
      const app = await working("app-server-w");
      const isRouted = () => table?.servers.some(({ incarnation }) => incarnation === app.incarnation) === true;
      await eventually(isRouted, { withinMs: 10_000, describe: "it is routed to" });
      await change({ appServers: { [app.id]: { onlyBackground: true } } });
      await eventually(() => !isRouted(), { withinMs: 10_000, describe: "it is for background work alone" });
      await change({ appServers: {} });
      await eventually(isRouted, { withinMs: 10_000, describe: "it is routed to again" });
      await leave(app);
    });
  });
});
