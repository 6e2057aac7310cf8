/** The service as it runs in a cluster: its own process, a real NATS node, tables and settings published to it. */
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  configurationBucket,
  defaultClusterSettings,
  routingKey,
  routingPublished,
  settingsKey,
  stateBucket,
  type RoutingEntry,
  type RoutingTable,
  type VersionedSettings,
} from "@understudy/contracts";
import { eventually, NatsCluster } from "@understudy/testkit";
import { Pool, request } from "undici";
import { httpBackend, type Backend } from "./backends.ts";
import { BalancerProcess, TestFrontDoor } from "./balancer-process.ts";
import { sendRaw } from "./raw-client.ts";
import { entryOf } from "./rig.ts";

const leader = (term: number) => ({
  term,
  holder: { id: "message-server-a", incarnation: "01890000-0000-7000-8000-000000000001" },
});

/** Publishes as the message server does: at once and every 500 ms, and to KV. */
class TestMessageServer {
  #timer: NodeJS.Timeout | undefined;
  #table: RoutingTable | undefined;
  #version = 0;
  constructor(private readonly connection: NatsConnection) {}

  async route(term: number, servers: RoutingEntry[]): Promise<void> {
    this.#table = { leader: leader(term), version: ++this.#version, issuedAt: Date.now(), servers };
    await this.store(this.#table);
    this.#publish();
    this.#timer ??= setInterval(() => this.#publish(), 500);
  }

  /** Tries again, as the message server does: a request that leaves while its node dies is never answered. */
  async store(table: RoutingTable): Promise<void> {
    await eventually(
      async () => {
        const bucket = await new Kvm(jetstream(this.connection, { timeout: 2_000 })).create(stateBucket);
        return bucket.put(routingKey, JSON.stringify({ ...table, term: table.leader.term }));
      },
      { withinMs: 40_000, describe: "JetStream takes the table" },
    );
  }

  publish(table: RoutingTable): void {
    this.connection.publish(routingPublished.subject, JSON.stringify(table));
  }

  silence(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #publish(): void {
    if (this.#table !== undefined) this.publish({ ...this.#table, issuedAt: Date.now() });
  }
}

describe("the load-balancer service", () => {
  let nats: NatsCluster;
  let connection: NatsConnection;
  let messageServer: TestMessageServer;
  let backend: Backend;
  let balancers: BalancerProcess[];

  beforeEach(async () => {
    balancers = [];
    nats = await NatsCluster.start({ nodes: 1 });
    connection = await nats.connect("test");
    messageServer = new TestMessageServer(connection);
    backend = await httpBackend();
  });
  afterEach(async () => {
    messageServer.silence();
    await Promise.all(balancers.map((balancer) => balancer.kill()));
    await backend.kill();
    await nats.stop();
  });
  const start = async (environment: Readonly<Record<string, string>> = {}) => {
    const balancer = await BalancerProcess.start(`load-balancer-${"bcd"[balancers.length]}`, nats, environment);
    balancers.push(balancer);
    return { balancer, url: (await balancer.said("serving")).url, opsUrl: (await balancer.said("started")).opsUrl };
  };

  it("accepts with the first table, tells readiness and figures, answers pings", async () => {
    const { balancer, url, opsUrl } = await start();
    await eventually(() => balancer.messages.some(({ type }) => type === "accepts-connections"));
    expect(balancer.accepts).toBe(false);
    expect((await request(`${opsUrl}/readyz`)).statusCode).toBe(503);
    await messageServer.route(1, [entryOf(0, backend)]);
    await balancer.accepting(true);
    expect((await request(url)).statusCode).toBe(200);
    await eventually(async () => (await request(`${opsUrl}/readyz`)).statusCode === 200);
    const metrics = await (await request(`${opsUrl}/metrics`)).body.text();
    expect(metrics).toContain('understudy_balancer_answers_total{class="2xx"} 1');
    expect(metrics).toContain('understudy_balancer_servers{server="app-server-a",state="accepting"} 1');
    expect(metrics).toContain("understudy_balancer_accepts_connections 1");
    expect(metrics).toContain("understudy_balancer_request_seconds_count 1");
    balancer.send({ type: "ping" });
    await balancer.said("pong");
  });

  it("never follows an older term, and goes on by the last table without any message server", async () => {
    const { balancer, url } = await start();
    await messageServer.route(2, [entryOf(0, backend)]);
    await balancer.accepting(true);
    messageServer.publish({ leader: leader(1), version: 900, issuedAt: Date.now() + 60_000, servers: [] });
    messageServer.silence();
    const opsUrl = (await balancer.said("started")).opsUrl;
    // Silent, but the store vouches for the table: as good as any other balancer's.
    await eventually(
      async () =>
        Number(
          /^understudy_balancer_routing_silent_seconds (\S+)$/m.exec(
            await (await request(`${opsUrl}/metrics`)).body.text(),
          )?.[1],
        ) > 2.5,
    );
    expect(balancer.accepts).toBe(true);
    expect((await request(url)).statusCode).toBe(200);
    await nats.node(0).kill();
    await balancer.accepting(false);
    expect((await request(url)).statusCode).toBe(200);
    await nats.node(0).start();
    await messageServer.route(3, [entryOf(0, backend)]);
    await balancer.accepting(true);
  });

  it("started late it takes the stored table, and the addresses of its own configuration", async () => {
    const unreachable = { url: "http://127.0.0.1:1" };
    await messageServer.store({
      leader: leader(1),
      version: 1,
      issuedAt: Date.now(),
      servers: [entryOf(0, unreachable)],
    });
    const { balancer, url } = await start({
      UNDERSTUDY_APP_SERVER_ADDRESSES: JSON.stringify({ "app-server-a": backend.url }),
    });
    await balancer.accepting(true);
    const { body } = await request(url);
    expect(((await body.json()) as { backend: string }).backend).toBe(backend.url);
  });

  it("follows the settings: how long a request is held", async () => {
    const { url } = await start();
    const settings = defaultClusterSettings();
    const stored: VersionedSettings = {
      version: 1,
      term: 1,
      changedAt: new Date().toISOString(),
      changedBy: "test",
      changeIds: [],
      settings: { ...settings, loadBalancers: { ...settings.loadBalancers, holdMs: 50 } },
    };
    const bucket = await new Kvm(jetstream(connection, { timeout: 30_000 })).create(configurationBucket);
    await eventually(() => bucket.put(settingsKey, JSON.stringify(stored)), { describe: "the settings are stored" });
    // One held by the default (10 s) may come first.
    await eventually(
      async () => {
        const beganAt = performance.now();
        const { statusCode } = await request(url);
        expect(statusCode).toBe(503);
        return performance.now() - beganAt < 5_000;
      },
      { withinMs: 40_000 },
    );
  });

  it("serves connections that a front door accepted, with the user's address", async () => {
    const { balancer } = await start();
    await messageServer.route(1, [entryOf(0, backend)]);
    await balancer.accepting(true);
    const door = new TestFrontDoor([balancer]);
    await door.open();
    const two = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
    const { statuses, text } = await sendRaw(door.port, two, { answers: 2 });
    expect(statuses).toEqual([200, 200]);
    expect(text).toContain('"x-forwarded-for","127.0.0.1"');
    expect(text).toContain(`"x-forwarded-port","${door.port}"`);
    door.close();
  });

  it("stops without a failed request when told so under load, and starts again the same way", async () => {
    await messageServer.route(1, [entryOf(0, backend)]);
    await Promise.all([start(), start()]);
    await Promise.all(balancers.map((balancer) => balancer.accepting(true)));
    const door = new TestFrontDoor([...balancers]);
    await door.open();
    const pool = new Pool(`http://127.0.0.1:${door.port}`, { connections: 16 });
    const load = { goesOn: true, done: 0 };
    const user = async () => {
      while (load.goesOn) {
        // No key and not repeatable: nobody would send it again if it failed.
        const { statusCode, body } = await pool.request({ path: "/", method: "POST", body: "x" });
        expect(statusCode).toBe(200);
        await body.dump();
        load.done++;
      }
    };
    const users = Promise.all(Array.from({ length: 16 }, user));
    const more = (count: number) => {
      const goal = load.done + count;
      return Promise.race([users, eventually(() => load.done >= goal, { withinMs: 30_000 })]);
    };
    await more(100);
    const [victim] = balancers as [BalancerProcess];
    const stopped = victim.terminate();
    await more(100);
    await stopped;
    expect(await victim.exited).toEqual({ code: 0, signal: null });
    door.balancers.shift();
    const { balancer } = await start();
    door.balancers.push(balancer);
    await balancer.accepting(true);
    await more(100);
    load.goesOn = false;
    await users;
    await pool.destroy();
    door.close();
  });

  it("ends when its supervisor is gone", async () => {
    const { balancer } = await start();
    balancer.disconnect();
    expect(await balancer.exited).toEqual({ code: 0, signal: null });
  });

  it("names every fault of its configuration", async () => {
    const faulty = BalancerProcess.start("load-balancer-b", nats, {
      UNDERSTUDY_APP_SERVER_ADDRESSES: "nonsense",
      UNDERSTUDY_MAX_BODY_BYTES: "1",
      UNDERSTUDY_MAX_BODY: "1",
    });
    const error = await faulty.then(
      () => "",
      (reason: Error) => reason.message,
    );
    for (const name of [
      "UNDERSTUDY_APP_SERVER_ADDRESSES",
      "UNDERSTUDY_MAX_BODY_BYTES",
      "UNDERSTUDY_MAX_BODY: no such",
    ]) {
      expect(error).toContain(name);
    }
  });
});
