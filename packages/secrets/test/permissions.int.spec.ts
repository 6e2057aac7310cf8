import { join } from "node:path";
import {
  AuthorizationError,
  connect,
  nkeyAuthenticator,
  NoRespondersError,
  PermissionViolationError,
  type NatsConnection,
} from "@nats-io/transport-node";
import { createUser } from "@nats-io/nkeys";
import { inboxOf, natsAccess, natsUsers, type NatsUser } from "@understudy/contracts";
import { setUpSecrets, subjectRule, type KeptSecrets } from "../src/index.ts";
import { plan, SecuredNode } from "./node.ts";

const access = natsAccess(plan.databases);

/** Every subject that any user has, as a message on it is sent: with an id. */
const subjectsFor = (part: "publish" | "subscribe"): string[] => [
  ...new Set(
    natsUsers
      .flatMap((user) => subjectRule(user, access[user])[part])
      .map((subject) => subject.replaceAll("*", "x-1").replace(/>$/, "y-1")),
  ),
  ...(part === "publish"
    ? ["$SYS.REQ.SERVER.PING", "$JS.API.STREAM.DELETE.KV_understudy_state", "other"]
    : ["$SYS.>", ">"]),
];

const covers = (allowed: string, subject: string): boolean => {
  const [own, asked] = [allowed.split("."), subject.split(".")];
  for (const [at, token] of own.entries()) {
    if (token === ">") return asked.length > at;
    if (asked[at] === undefined || (token !== "*" && token !== asked[at])) return false;
  }
  return own.length === asked.length;
};

describe("the permissions of NATS users, on a real server", () => {
  let node: SecuredNode;
  let kept: KeptSecrets;
  const open: NatsConnection[] = [];

  beforeAll(async () => {
    node = await SecuredNode.start();
    kept = node.kept;
  });
  afterAll(async () => {
    await Promise.all(open.map((connection) => connection.close()));
    await node?.stop();
  });

  async function enter(seed: string, inboxPrefix: string, authority = kept.authorities): Promise<NatsConnection> {
    const connection = await connect({
      servers: [node.url],
      authenticator: nkeyAuthenticator(new TextEncoder().encode(seed.trim())),
      inboxPrefix,
      tls: { ca: authority },
      reconnect: false,
    });
    open.push(connection);
    return connection;
  }

  /** What the server refuses of all that `attempt` does with each subject. */
  async function refused(
    connection: NatsConnection,
    subjects: readonly string[],
    attempt: (subject: string) => void,
  ): Promise<Set<string>> {
    const found = new Set<string>();
    void (async () => {
      for await (const status of connection.status()) {
        if (status.type === "error" && status.error instanceof PermissionViolationError)
          found.add(status.error.subject);
      }
    })();
    for (const subject of subjects) attempt(subject);
    // Errors come in order with the answers to pings; they are handed on one by one.
    await connection.flush();
    for (let before = -1; found.size !== before;) {
      before = found.size;
      await connection.flush();
      await new Promise(setImmediate);
    }
    return found;
  }

  describe.each(natsUsers)("%s", (user: NatsUser) => {
    const rule = subjectRule(user, access[user]);

    it("publishes where its contracts say, and nowhere else", async () => {
      const connection = await enter(kept.seed(user), inboxOf(user));
      const subjects = subjectsFor("publish");
      const found = await refused(connection, subjects, (subject) => connection.publish(subject));
      const forbidden = subjects.filter((subject) => !rule.publish.some((allowed) => covers(allowed, subject)));
      expect([...found].sort()).toEqual(forbidden.sort());
      expect(forbidden.length).toBeGreaterThan(5);
    });

    it("hears what its contracts say, and nothing else", async () => {
      const connection = await enter(kept.seed(user), inboxOf(user));
      const subjects = subjectsFor("subscribe");
      const found = await refused(connection, subjects, (subject) =>
        connection.subscribe(subject, { callback: () => undefined }),
      );
      const forbidden = subjects.filter((subject) => !rule.subscribe.some((allowed) => covers(allowed, subject)));
      expect([...found].sort()).toEqual(forbidden.sort());
      // The inboxes of all others among them.
      expect(forbidden.length).toBeGreaterThanOrEqual(natsUsers.length);
    });
  });

  it("let whoever was asked answer, once, and nobody hears it but who asked", async () => {
    const [asker, answerer] = await Promise.all([
      enter(kept.seed("operator"), inboxOf("operator")),
      enter(kept.seed("message-server"), inboxOf("message-server")),
    ]);
    answerer.subscribe("understudy.message-server.status", {
      callback: (_error, message) => void message.respond("fine"),
    });
    await answerer.flush();
    const answer = await asker.request("understudy.message-server.status", "", { timeout: 5_000 });
    expect(answer.string()).toBe("fine");
  });

  it("answer a request that nobody serves at once (503)", async () => {
    const asker = await enter(kept.seed("heartbeat-monitor"), inboxOf("heartbeat-monitor"));
    await expect(asker.request("understudy.heartbeat.probe.nobody-a", "", { timeout: 5_000 })).rejects.toMatchObject({
      cause: expect.any(NoRespondersError),
    });
  });

  it("keep a user that nobody made out, and the system account apart from messages", async () => {
    const stranger = new TextDecoder().decode(createUser().getSeed());
    await expect(enter(stranger, "_INBOX")).rejects.toBeInstanceOf(AuthorizationError);
    const system = await enter(kept.seed("system"), "_INBOX");
    const heard: string[] = [];
    system.subscribe("understudy.>", { callback: (_error, { subject }) => void heard.push(subject) });
    await system.flush();
    const service = await enter(kept.seed("app-server"), inboxOf("app-server"));
    service.publish("understudy.heartbeat.beat.x");
    await service.flush();
    await system.flush();
    expect(heard).toEqual([]);
    const servers = await system.request("$SYS.REQ.SERVER.PING", "", { timeout: 5_000 });
    expect(servers.json<{ server: { name: string } }>().server.name).toBe("nats-a");
  });

  it("are of no use without TLS, or to a node of another authority", async () => {
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(kept.seed("operator").trim()));
    await expect(connect({ servers: [node.url], authenticator, tls: null, reconnect: false })).rejects.toThrow();
    const elsewhere = await setUpSecrets({ folder: join(node.folder, "elsewhere"), plan });
    await expect(enter(kept.seed("operator"), inboxOf("operator"), elsewhere.authorities)).rejects.toThrow();
  });
});
