/** Whole candidates in processes of their own, on real NATS: what is killed, frozen and lost, and who leads then. */
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { eventually, NatsCluster, ServiceProcess, type NatsNode } from "@understudy/testkit";
import { keepLeaseElsewhere, leaseStream } from "../src/index.ts";

interface Line {
  readonly event: "ready" | "lead" | "lose" | "lease" | "acts";
  readonly at: number;
  readonly term: number;
  readonly reason?: string;
  readonly from?: string;
  readonly holder?: string;
  readonly evidence?: readonly { kind: string; detail?: string }[];
}

const script = fileURLToPath(new URL("candidate-process.mjs", import.meta.url));
let roles = 0;

class CandidateProcess {
  readonly #process: ServiceProcess;
  constructor(
    readonly id: string,
    readonly role: string,
    cluster: NatsCluster,
    servers: readonly string[] = cluster.servers,
  ) {
    this.#process = ServiceProcess.launch({
      service: script,
      environment: {
        ROLE: role,
        ID: id,
        SERVERS: servers.join(","),
        NATS_USER: cluster.user,
        NATS_PASSWORD: cluster.password,
        REPLICAS: String(cluster.nodes.length),
      },
    });
  }
  get lines(): readonly Line[] {
    return this.#process.log as unknown as Line[];
  }
  all(event: Line["event"]): readonly Line[] {
    return this.lines.filter((line) => line.event === event);
  }
  async said(event: Line["event"], term?: number, withinMs = 20_000): Promise<Line> {
    return eventually(() => this.all(event).find((line) => term === undefined || line.term === term), {
      withinMs,
      describe: `${this.id} says ${event} ${term ?? ""}: ${this.#process.output.slice(-2_000)}`,
    });
  }
  kill = () => this.#process.kill();
  terminate = () => this.#process.terminate();
  freeze = () => this.#process.freeze();
  thaw = () => this.#process.thaw();
}

describe("two candidates on three NATS nodes", () => {
  let cluster: NatsCluster;
  const running: CandidateProcess[] = [];
  beforeAll(async () => {
    cluster = await NatsCluster.start();
  }, 60_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((candidate) => candidate.kill()));
  });
  afterAll(() => cluster.stop());

  const launch = (id: string, role: string, servers?: readonly string[]) => {
    const candidate = new CandidateProcess(id, role, cluster, servers);
    running.push(candidate);
    return candidate;
  };
  /** `a` leads in term 1, `b` follows and sees it. */
  const pair = async (serversOfB?: readonly string[]) => {
    const role = `role-${(roles += 1)}`;
    const a = launch("a", role);
    await a.said("lead", 1);
    await a.said("ready");
    const b = launch("b", role, serversOfB);
    await b.said("ready");
    await b.said("lease", 1);
    return { role, a, b };
  };
  const admin = async () => jetstreamManager(await cluster.connect());
  const streamLeader = async (role: string) =>
    eventually(async () => (await (await admin()).streams.info(leaseStream(role))).cluster?.leader);
  const nodeNamed = (name: string) => cluster.nodes.find((node) => node.name === name) as NatsNode;

  it("a leader that is killed is followed at once, on 503 through every node", async () => {
    const { a, b } = await pair();
    const killedAt = Date.now();
    await a.kill();
    const lead = await b.said("lead", 2);
    expect(lead).toMatchObject({
      from: "a",
      evidence: [{ kind: "no-responders", detail: expect.stringContaining("3 asked") as unknown }],
    });
    // Far below any silence: two noisy cores, so no tight figure.
    expect(lead.at - killedAt).toBeLessThan(1_500);
  });

  it("a leader that is killed together with its NATS node is followed as fast: dead nodes are not waited for", async () => {
    const { role, a, b } = await pair([cluster.node(1).url, cluster.node(2).url, cluster.node(0).url]);
    await eventually(async () => keepLeaseElsewhere(await cluster.connect(), role, "nats-a"));
    await eventually(async () => (await streamLeader(role)) !== "nats-a");
    const killedAt = Date.now();
    await Promise.all([a.kill(), cluster.node(0).kill()]);
    const lead = await b.said("lead", 2);
    expect(lead.evidence).toMatchObject([{ kind: "no-responders" }]);
    expect(lead.at - killedAt).toBeLessThan(2_500);
    await cluster.node(0).start();
    await cluster.usable();
  });

  it("a frozen leader is followed within seconds, and thawed it does nothing in its old term", async () => {
    const { a, b } = await pair();
    a.freeze();
    const lead = await b.said("lead", 2);
    expect(lead.evidence).toMatchObject([{ kind: "unanswered-probes" }]);
    const thawedAt = Date.now();
    a.thaw();
    await a.said("lose", 1);
    expect(a.all("acts").filter((line) => line.at >= thawedAt)).toEqual([]);
    expect(b.all("lose")).toEqual([]);
  });

  it("a leader that is told to stop hands over: both never act at once, and there is no gap worth naming", async () => {
    const { a, b } = await pair();
    expect(await a.terminate()).toMatchObject({ code: 0 });
    const lead = await b.said("lead", 2);
    expect(lead).toMatchObject({ from: "a", evidence: [{ kind: "hand-over" }] });
    const lost = (await a.said("lose", 1)).at;
    expect(lost).toBeLessThanOrEqual(lead.at);
    expect(lead.at - lost).toBeLessThan(1_000);
  });

  it("a restarted leader without an alternate finds that its old self is gone, and leads anew", async () => {
    const role = `role-${(roles += 1)}`;
    const a = launch("a", role);
    await a.said("lead", 1);
    await a.kill();
    const again = launch("a", role);
    const { evidence, from } = await again.said("lead", 2);
    expect(["exit", "no-responders"]).toContain(evidence?.[0]?.kind);
    expect(from).toBe("a");
  });

  it("the loss of any one NATS node deposes nobody, the leader of the lease's stream included", async () => {
    const { role, a, b } = await pair();
    const lose = async (node: NatsNode) => {
      const acted = a.all("acts").length;
      await node.kill();
      // As long as an election of JetStream takes, when it was the leader of the lease's stream.
      await eventually(async () => (await streamLeader(role)) !== node.name, { withinMs: 20_000 });
      await node.start();
      await cluster.usable();
      await eventually(() => a.all("acts").length > acted + 40);
    };
    for (const node of cluster.nodes) await lose(node);
    await lose(nodeNamed(await streamLeader(role)));
    expect(a.all("lose")).toEqual([]);
    expect(b.all("lead")).toEqual([]);
  }, 120_000);
});

describe("two candidates on one NATS node", () => {
  it("are followed by nobody while NATS is away, and go on with the same leader afterwards", async () => {
    const cluster = await NatsCluster.start({ nodes: 1 });
    const a = new CandidateProcess("a", "role", cluster);
    await a.said("ready");
    await a.said("lead", 1);
    const b = new CandidateProcess("b", "role", cluster);
    try {
      await b.said("ready");
      await b.said("lease", 1);
      await cluster.node(0).kill();
      await cluster.node(0).start();
      await cluster.usable();
      const acted = a.all("acts").length;
      await eventually(() => a.all("acts").length > acted + 60);
      expect(a.all("lose")).toEqual([]);
      expect(b.all("lead")).toEqual([]);
    } finally {
      await Promise.all([a.kill(), b.kill()]);
      await cluster.stop();
    }
  }, 60_000);
});
