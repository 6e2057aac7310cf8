import { EngineProcess } from "@understudy/engines";
import { canUseNetworkNamespaces, eventually, NetworkNamespaces, registered } from "@understudy/testkit";

const describeAsRoot = canUseNetworkNamespaces() ? describe : describe.skip;

/** A process inside a machine that answers to, and counts, what it gets on a TCP connection. */
const listener = (address: string) => `
  require("node:net").createServer((socket) => {
    socket.on("error", (error) => console.log("listener error " + error.code));
    socket.on("end", () => console.log("listener end"));
    socket.on("data", (data) => { console.log("got " + data); socket.write(data); });
  }).listen(4000, "${address}", () => console.log("listening"));`;

/** Sends a number each 20 ms and tells the answers. */
const dialler = (address: string) => `
  const socket = require("node:net").connect(4000, "${address}", () => console.log("connected"));
  socket.on("error", (error) => console.log("dialler error " + error.code));
  socket.on("data", (data) => console.log("answer " + data));
  let number = 0;
  setInterval(() => socket.write(" " + ++number), 20);`;

/** True when no line has come for a while. */
async function settled(lines: readonly string[]): Promise<boolean> {
  const before = lines.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return lines.length === before;
}

describeAsRoot("machines with networks of their own", () => {
  let machines: NetworkNamespaces;
  const running: EngineProcess[] = [];
  const run = (index: number, script: string, lines: string[]) => {
    const spec = { command: process.execPath, args: ["-e", script], env: {}, cwd: "/" };
    running.push(
      registered(
        EngineProcess.start(`node in ${index}`, machines.inside(index, spec), { onLine: (line) => lines.push(line) }),
      ),
    );
  };

  beforeEach(() => {
    machines = NetworkNamespaces.create(2);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((process) => process.kill()));
    machines.remove();
  });

  it("reach each other; one that is cut falls silent without a reset, and goes on when healed", async () => {
    const heard: string[] = [];
    const told: string[] = [];
    run(0, listener(machines.address(0)), heard);
    await eventually(() => heard.includes("listening"), { describe: "the listener listens" });
    run(1, dialler(machines.address(0)), told);
    await eventually(() => told.some((line) => line.startsWith("answer")), { describe: "an answer comes" });

    machines.isolate(0);
    const before = told.length;
    // Longer than neighbour discovery would take to report an unreachable host.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const passedMeanwhile = told.length - before;
    expect(passedMeanwhile).toBeLessThanOrEqual(2);

    machines.heal();
    await eventually(() => told.length > before + 2, { describe: "answers come again", withinMs: 15_000 });
    expect([...heard, ...told].filter((line) => /error|end/.test(line))).toEqual([]);
  });

  it("can be cut in one direction only", async () => {
    // Datagrams, because a TCP sender that gets no acknowledgements soon sends nothing either.
    const peer = (own: string, other: string) => `
      const socket = require("node:dgram").createSocket("udp4");
      socket.on("message", () => console.log("heard"));
      socket.bind(4000, "${own}", () => setInterval(() => socket.send("x", 4000, "${other}"), 10));`;
    const heardBy: [string[], string[]] = [[], []];
    run(0, peer(machines.address(0), machines.address(1)), heardBy[0]);
    run(1, peer(machines.address(1), machines.address(0)), heardBy[1]);
    await eventually(() => heardBy.every((lines) => lines.length > 0), { describe: "each hears the other" });

    machines.cutOneWay(0, 1);
    await eventually(() => settled(heardBy[1]), { describe: "machine 1 hears nothing more" });
    const [before0, before1] = [heardBy[0].length, heardBy[1].length];
    await eventually(() => heardBy[0].length > before0 + 10, { describe: "machine 0 still hears" });
    expect(heardBy[1]).toHaveLength(before1);
  });
});
