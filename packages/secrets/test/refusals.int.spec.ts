import { connect } from "node:net";
import { join } from "node:path";
import { createUser } from "@nats-io/nkeys";
import { beat, inboxOf, subjectOf } from "@understudy/contracts";
import { NatsConnections, pause, type Log, type NatsSettings } from "@understudy/runtime";
import { setUpSecrets } from "../src/index.ts";
import { plan, SecuredNode } from "./node.ts";

interface Said {
  readonly level: string;
  readonly text: string;
}

function recordedLog(): { log: Log; said: Said[]; firstError: Promise<string> } {
  const said: Said[] = [];
  let tell: (text: string) => void;
  const firstError = new Promise<string>((resolve) => (tell = resolve));
  const at = (level: string) => (_facts: object, text: string) => {
    said.push({ level, text });
    if (level === "error") tell(text);
  };
  const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } as unknown as Log;
  return { log, said, firstError };
}

/** Long enough for several more attempts at the first waits. */
const watchedMs = 2_500;

describe("a service that NATS does not let in", () => {
  let node: SecuredNode;
  beforeAll(async () => (node = await SecuredNode.start()));
  afterAll(() => node?.stop());

  const settings = (given: Partial<NatsSettings>): NatsSettings => ({
    servers: [node.url],
    name: "app-server-a",
    seed: node.kept.seed("app-server").trim(),
    inboxPrefix: inboxOf("app-server"),
    authority: node.kept.authorities,
    ...given,
  });

  async function expectRefusal(given: Partial<NatsSettings>, words: RegExp): Promise<void> {
    const { log, said, firstError } = recordedLog();
    const abort = new AbortController();
    const opened = NatsConnections.open(settings(given), log, abort.signal);
    expect(await firstError).toMatch(words);
    await pause(watchedMs);
    abort.abort();
    expect(await opened).toBeUndefined();
    // Once: neither again as an error nor as a warning.
    expect(said.filter(({ level }) => level !== "debug" && level !== "info")).toHaveLength(1);
  }

  it("since it has a key that nobody knows, says so once and asks ever less often", async () => {
    const before = node.lines.length;
    const seed = new TextDecoder().decode(createUser().getSeed());
    await expectRefusal({ seed }, /does not know this user/);
    const attempts = node.lines.slice(before).filter((line) => /authentication error/i.test(line)).length;
    expect(attempts).toBeGreaterThan(0);
    expect(attempts).toBeLessThan(8);
  });

  it("since it has another service's key, says so once", () =>
    expectRefusal({ seed: node.kept.seed("load-balancer").trim() }, /another service's.*_INBOX_app-server/));

  it("since it believes another authority, says so once", async () => {
    const elsewhere = await setUpSecrets({ folder: join(node.folder, "elsewhere"), plan });
    await expectRefusal({ authority: elsewhere.authorities }, /do not agree on TLS/);
  });

  it("since it would speak without TLS, says so once", () =>
    expectRefusal({ authority: undefined }, /do not agree on TLS/));

  it("since it says its name in the clear, which the node refuses", async () => {
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    const heard = await new Promise<string>((resolve, reject) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (part: string) => (text += part));
      socket.once("data", () => socket.write('CONNECT {"verbose":false,"tls_required":false}\r\nPING\r\n'));
      socket.once("close", () => resolve(text)).once("error", reject);
    });
    expect(heard).toMatch(/"tls_required":true/);
    // It closed the connection without an answer.
    expect(heard).not.toMatch(/PONG|\+OK/);
  });

  it("for one subject, says so once for that subject and works on", async () => {
    const { log, said, firstError } = recordedLog();
    const abort = new AbortController();
    const nats = await NatsConnections.open(settings({}), log, abort.signal);
    for (let count = 0; count < 20; count++) nats?.main.publish("understudy.routing.table", "{}");
    await nats?.main.flush();
    expect(await firstError).toBe("NATS does not allow this");
    nats?.main.publish(subjectOf(beat, "app-server-a"), "{}");
    await nats?.main.flush();
    await pause(100);
    expect(said.filter(({ level }) => level === "error")).toHaveLength(1);
    await nats?.close();
  });
});
