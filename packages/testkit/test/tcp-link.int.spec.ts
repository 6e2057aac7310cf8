import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { eventually, TcpLink } from "@understudy/testkit";

/** One end of a connection with everything that it heard. */
class Party {
  received = Buffer.alloc(0);
  ended = false;
  error: string | undefined;
  closed = false;

  constructor(readonly socket: Socket) {
    socket.on("data", (bytes) => (this.received = Buffer.concat([this.received, bytes])));
    socket.on("end", () => (this.ended = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
    socket.on("close", () => (this.closed = true));
  }

  get text(): string {
    return this.received.toString();
  }
}

describe("a TCP link", () => {
  let target: Server;
  let link: TcpLink;
  let accepted: Party[];
  const clients: Party[] = [];

  beforeEach(async () => {
    accepted = [];
    target = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new Party(socket)));
    target.listen(0, "127.0.0.1");
    await once(target, "listening");
    link = await TcpLink.start({ target: { host: "127.0.0.1", port: (target.address() as AddressInfo).port } });
  });
  afterEach(async () => {
    for (const { socket } of [...clients.splice(0), ...accepted]) socket.destroy();
    await link.stop();
    await new Promise((resolve) => target.close(resolve));
  });

  async function dial(): Promise<Party> {
    const party = new Party(connect({ host: "127.0.0.1", port: link.port, allowHalfOpen: true }));
    clients.push(party);
    await once(party.socket, "connect");
    return party;
  }
  /** A connection that stands: its client and what the target has of it. */
  async function pair(): Promise<{ client: Party; server: Party }> {
    const known = accepted.length;
    const client = await dial();
    const server = await eventually(() => accepted[known], { describe: "the target accepts" });
    return { client, server };
  }
  /** Proves that nothing came, by an exchange over another way that takes longer than a byte would. */
  const aMoment = () => new Promise((resolve) => setTimeout(resolve, 100));

  it("passes bytes both ways and tells how many", async () => {
    const { client, server } = await pair();
    client.socket.write("question");
    await eventually(() => server.text === "question");
    server.socket.write("the answer");
    await eventually(() => client.text === "the answer");
    expect(link.counters).toEqual({ accepted: 1, open: 1, bytesToTarget: 8, bytesToClient: 10 });
  });

  it("passes an end as an end, and what still comes the other way", async () => {
    const { client, server } = await pair();
    client.socket.end("all");
    await eventually(() => server.ended);
    expect(server.text).toBe("all");
    server.socket.end("thanks");
    await eventually(() => client.closed && link.counters.open === 0);
    expect(client).toMatchObject({ text: "thanks", ended: true, error: undefined });
    expect(link.counters).toMatchObject({ bytesToTarget: 3, bytesToClient: 6 });
  });

  it("passes a reset as a reset", async () => {
    const { client, server } = await pair();
    server.socket.resetAndDestroy();
    await eventually(() => client.closed);
    expect(client.error).toBe("ECONNRESET");
  });

  it("closes the connection of a client whose target refuses", async () => {
    await new Promise((resolve) => target.close(resolve));
    const client = await dial();
    await eventually(() => client.closed);
    target.listen(0);
  });

  it("cut: neither side gets a byte or is told, and after heal everything arrives complete and in order", async () => {
    const { client, server } = await pair();
    client.socket.write("before");
    await eventually(() => server.text === "before");
    link.cut();
    const large = randomBytes(5_000_000);
    client.socket.write(large);
    server.socket.write("down");
    await aMoment();
    expect(server.text).toBe("before");
    expect(client.text).toBe("");
    expect([client, server].map(({ ended, error, closed }) => [ended, error, closed])).toEqual([
      [false, undefined, false],
      [false, undefined, false],
    ]);
    link.heal();
    await eventually(() => server.received.length === large.length + 6);
    expect(createHash("sha256").update(server.received.subarray(6)).digest("hex")).toBe(
      createHash("sha256").update(large).digest("hex"),
    );
    await eventually(() => client.text === "down");
  });

  it("cut: new connections hang and the target hears of them only after heal", async () => {
    link.cut();
    const client = await dial();
    client.socket.write("hello");
    await aMoment();
    expect(accepted).toHaveLength(0);
    expect(client.closed).toBe(false);
    expect(link.counters.open).toBe(1);
    link.heal();
    await eventually(() => accepted[0]?.text === "hello");
  });

  it("cut: an end and a reset stay on their side until heal", async () => {
    const first = await pair();
    const second = await pair();
    link.cut();
    first.client.socket.end("bye");
    second.server.socket.resetAndDestroy();
    await aMoment();
    expect(first.server).toMatchObject({ text: "", ended: false });
    expect(second.client).toMatchObject({ closed: false });
    link.heal();
    await eventually(() => first.server.ended);
    expect(first.server.text).toBe("bye");
    await eventually(() => second.client.closed);
    expect(second.client.error).toBe("ECONNRESET");
  });

  it.each([
    ["to-target", "client", "server"],
    ["to-client", "server", "client"],
  ] as const)("half open %s: what the %s sends is held, the %s is heard", async (direction, silenced, heard) => {
    const parties = await pair();
    link.halfOpen(direction);
    parties[silenced].socket.write("unheard");
    parties[heard].socket.write("heard");
    await eventually(() => parties[silenced].text === "heard");
    expect(parties[heard].text).toBe("");
    link.heal();
    await eventually(() => parties[heard].text === "unheard");
  });

  it("reset: both sides see the connection break, and new ones are served", async () => {
    const { client, server } = await pair();
    link.reset();
    await eventually(() => client.closed && server.closed);
    expect([client.error, server.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
    const next = await pair();
    next.client.socket.write("again");
    await eventually(() => next.server.text === "again");
  });

  it("resets a connection after exactly the bytes that it may carry", async () => {
    const { client, server } = await pair();
    link.shape({ dropAfterBytes: 5 }, ["to-client"]);
    client.socket.write("as much as you like");
    await eventually(() => server.text === "as much as you like");
    server.socket.write("COMMIT");
    await eventually(() => server.closed);
    // Bytes and reset in one go are an end to Node's client.
    await eventually(() => client.ended || client.closed);
    expect(client.text).toBe("COMMI");
  });

  it("delays in both directions without changing the order, and without delay again", async () => {
    const { client, server } = await pair();
    server.socket.on("data", (bytes) => server.socket.write(bytes));
    link.shape({ delayMs: 100 });
    const startedAt = performance.now();
    for (const letter of "abcdef") client.socket.write(letter);
    await eventually(() => client.text === "abcdef");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
    link.shape({});
    client.socket.write("g");
    await eventually(() => client.text === "abcdefg");
  });

  it("limits the rate without losing a byte, across a cut too", async () => {
    const { client, server } = await pair();
    link.shape({ bytesPerSecond: 100_000 }, ["to-target"]);
    const bytes = randomBytes(40_000);
    const startedAt = performance.now();
    client.socket.end(bytes);
    await eventually(() => server.received.length > 5_000);
    link.cut();
    await aMoment();
    link.heal();
    await eventually(() => server.ended);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(350);
    expect(server.received.equals(bytes)).toBe(true);
  });

  it("stops with connections open, cut or shaped", async () => {
    const { client } = await pair();
    link.shape({ delayMs: 1_000 });
    client.socket.write("on its way");
    link.cut();
    const hanging = await dial();
    await link.stop();
    await eventually(() => client.closed && hanging.closed);
    link = await TcpLink.start({ target: { host: "127.0.0.1", port: 1 } });
  });
});
