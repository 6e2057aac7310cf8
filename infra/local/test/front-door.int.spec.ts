import { connect, createServer, type Socket } from "node:net";
import { Agent, request } from "node:http";
import { eventually } from "@understudy/testkit";
import { FrontDoor, standardFrontDoorTimes, type DoorBalancer, type FrontDoorTimes } from "../src/front-door.ts";
import type { SupervisedProcess } from "../src/supervised-process.ts";
import { nextMessage, Scratch } from "./scratch-program.ts";

/** Answers each request with its name, on connections that it is given. */
const balancerSource = (name: string) => `
  const server = require("http").createServer((request, response) => response.end("${name}"));
  process.on("message", (message, socket) => {
    if (message.type === "ping") process.send({ type: "pong" });
    if (message.type === "connection" && socket) { server.emit("connection", socket); socket.resume(); }
  });
  process.send({ type: "accepts-connections", accepts: true });
`;

/** The body of an answer, on a new connection where no agent is given. */
const ask = (port: number, timeoutMs = 10_000, agent: Agent | false = false): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, agent, timeout: timeoutMs }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("end", () => resolve(Buffer.concat(chunks).toString()));
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.once("error", reject);
    sent.end();
  });

describe("the front door", () => {
  let scratch: Scratch;
  let door: FrontDoor;
  let port: number;
  let processes: SupervisedProcess[];

  async function open(times: Partial<FrontDoorTimes> = {}): Promise<void> {
    processes = ["first", "second"].map((name) => scratch.process(balancerSource(name), { id: name }));
    const accepting = new Set<SupervisedProcess>();
    const balancers: DoorBalancer[] = processes.map((each) => ({
      id: each.id,
      acceptsConnections: () => accepting.has(each),
      send: (message, socket) => each.send(message, socket),
    }));
    door = new FrontDoor(balancers, { ...standardFrontDoorTimes, ...times });
    for (const [index, each] of processes.entries()) {
      each.on("message", (message) => {
        const { type } = message as { type: string };
        if (type === "pong") return door.onPong(balancers[index] as DoorBalancer);
        accepting.add(each);
        door.onBalancersChanged();
      });
      each.on("ended", () => {
        accepting.delete(each);
        door.onBalancersChanged();
      });
    }
    port = await door.start("127.0.0.1", 0);
  }

  async function startBalancers(): Promise<void> {
    const up = processes.map(nextMessage);
    for (const each of processes) each.start();
    await Promise.all(up);
  }

  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(async () => {
    door.stop();
    await scratch.end();
  });

  it("gives connections to the balancers in turn", async () => {
    await open();
    await startBalancers();
    const answers: string[] = [];
    for (let each = 0; each < 6; each++) answers.push(await ask(port));
    expect(answers.filter((each) => each === "first")).toHaveLength(3);
    expect(answers.filter((each) => each === "second")).toHaveLength(3);
  });

  it("passes over a frozen balancer once a ping went unanswered", async () => {
    await open();
    await startBalancers();
    const [first] = processes;
    process.kill(first?.pid ?? 0, "SIGSTOP");
    // Until the first ping is overdue it may still be chosen; those connections wait for it.
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 4 }, () => ask(port, 300).catch(() => "none")));
        return answers.every((each) => each === "second");
      },
      { describe: "all go to the second" },
    );
    process.kill(first?.pid ?? 0, "SIGCONT");
    await eventually(async () => (await ask(port)) === "first", { describe: "the first takes part again" });
  });

  it("keeps a connection waiting while no balancer lives, and serves it when one is back", async () => {
    await open({ waitMs: 60_000 });
    const answer = ask(port, 60_000);
    await eventually(() => door.waitingConnections === 1, { describe: "it waits" });
    await startBalancers();
    expect(["first", "second"]).toContain(await answer);
    expect(door.waitingConnections).toBe(0);
  });

  it("closes at once for new connections, and leaves those that are kept alive to their balancer", async () => {
    await open();
    await startBalancers();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const before = await ask(port, 10_000, agent);
      door.stop();
      await expect(ask(port)).rejects.toThrow(/ECONNREFUSED/);
      expect(await ask(port, 10_000, agent)).toBe(before);
    } finally {
      agent.destroy();
    }
  });

  it("goes on when one balancer is killed while connections come", async () => {
    await open();
    await startBalancers();
    processes[0]?.kill(true);
    await processes[0]?.ended();
    for (let each = 0; each < 4; each++) expect(await ask(port)).toBe("second");
  });

  it("closes those that waited too long, and those that are too many", async () => {
    await open({ waitMs: 200, waitingMost: 1 });
    const closed = (socket: Socket) => new Promise<string>((resolve) => socket.once("close", () => resolve("closed")));
    const first = connect(port, "127.0.0.1").on("error", () => undefined);
    const firstClosed = closed(first);
    await eventually(() => door.waitingConnections === 1, { describe: "the first waits" });
    const second = connect(port, "127.0.0.1").on("error", () => undefined);
    second.resume();
    first.resume();
    expect(await closed(second)).toBe("closed");
    expect(await firstClosed).toBe("closed");
    expect(door.waitingConnections).toBe(0);
  });

  it("takes the next port when the wanted one is taken", async () => {
    const other = createServer();
    const taken = await new Promise<number>((resolve) =>
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port)),
    );
    door = new FrontDoor([]);
    const got = await door.start("127.0.0.1", taken);
    expect(got).not.toBe(taken);
    expect(got).toBeGreaterThan(0);
    await new Promise((resolve) => other.close(resolve));
  });
});
