/** What clients see while connections break, servers are declared lost and the database is away. */
import { checkConsistency } from "@understudy/order-entry/testing";
import { eventually, PostgresServer, TcpLink } from "@understudy/testkit";
import { order, OrderEntryHost, OrderEntryRig } from "./rig.ts";

let server: PostgresServer;
let rig: OrderEntryRig;
let direct: OrderEntryHost;
let link: TcpLink;
/** Its way to the database is the link. */
let linked: OrderEntryHost;
let keys = 0;
const newKey = (): string => `key-${(keys += 1)}`;

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "failures");
  direct = await rig.host();
  link = await TcpLink.start({ target: { host: "127.0.0.1", port: server.options.port } });
  linked = await rig.host({ id: "app-server-b", port: link.port });
});
afterAll(async () => {
  await rig?.stop();
  await link?.stop();
  await server.remove();
});
afterEach(async () => {
  link.heal();
  expect(await checkConsistency(rig.pool)).toEqual([]);
});

/** Lets each COMMIT of an order wait for `release`, at a point where nothing can undo it from outside. */
async function holdCommits(): Promise<{ reached: () => Promise<unknown>; release: () => Promise<void> }> {
  const holder = await rig.pool.connect();
  await holder.query("SELECT pg_advisory_lock(4711)");
  await holder.query(`
    CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM set_config('lock_timeout', '0', true), pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT ON order_entry.orders
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit()`);
  return {
    reached: () =>
      eventually(
        async () =>
          (await rig.pool.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).rowCount === 1,
        { describe: "a COMMIT waits" },
      ),
    release: async () => {
      await holder.query("SELECT pg_advisory_unlock(4711)");
      holder.release(true);
      await eventually(
        async () => {
          await rig.pool.query(
            "SET lock_timeout = '1s'; DROP FUNCTION IF EXISTS hold_commit CASCADE; RESET lock_timeout",
          );
          return true;
        },
        { describe: "the trigger is gone" },
      );
    },
  };
}

const ordersUnder = async (key: string): Promise<number> =>
  (await rig.pool.query("SELECT 1 FROM order_entry.idempotency WHERE key = $1", [key])).rowCount ?? 0;

describe("a connection that breaks", () => {
  it("while idle is replaced without anybody noticing", async () => {
    expect((await linked.get("/api/items?limit=1")).status).toBe(200);
    link.reset();
    expect((await linked.get("/api/items?limit=1")).status).toBe(200);
    link.reset();
    expect((await linked.order(newKey(), order(1, [1, 1]))).status).toBe(201);
  });

  it("before COMMIT was sent leaves nothing of the attempt, and the repetition is the order", async () => {
    const key = newKey();
    const blocker = await rig.pool.connect();
    await blocker.query("BEGIN");
    await blocker.query("SELECT 1 FROM order_entry.stock WHERE item_id = 5 FOR UPDATE");
    const answer = linked.order(key, order(1, [5, 1]));
    await eventually(async () => (await rig.pool.query("SELECT 1 FROM pg_locks WHERE NOT granted")).rowCount === 1, {
      describe: "the order waits for the stock",
    });
    link.reset();
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await answer).status).toBe(201);
    expect(await ordersUnder(key)).toBe(1);
  });

  it("during COMMIT: the order is placed once, and told as placed when its own server can still ask", async () => {
    const key = newKey();
    const held = await holdCommits();
    const answer = linked.order(key, order(1, [5, 1]));
    await held.reached();
    link.reset();
    await held.release();
    const { status, body } = await answer;
    expect([200, 201, 503]).toContain(status);
    const again = await direct.order(key, order(1, [5, 1]));
    expect(again.status).toBe(200);
    if (status !== 503) expect(body).toEqual(again.body);
    expect(await ordersUnder(key)).toBe(1);
  });

  it("for good during COMMIT is answered 503, and another server tells the truth under the same key", async () => {
    const key = newKey();
    const held = await holdCommits();
    const answer = linked.order(key, order(2, [5, 1]));
    await held.reached();
    const port = link.port;
    await link.stop();
    const unknown = await answer;
    expect(unknown.status).toBe(503);
    expect(unknown.headers.get("retry-after")).toBe("1");
    expect(unknown.body).toMatchObject({ type: "urn:understudy:problem:service-unavailable", retryable: true });
    await held.release();
    const truth = await direct.order(key, order(2, [5, 1]));
    expect(truth.status).toBe(200);
    expect(await ordersUnder(key)).toBe(1);
    link = await TcpLink.start({ target: { host: "127.0.0.1", port: server.options.port }, port });
    expect((await linked.order(key, order(2, [5, 1]))).body).toEqual(truth.body);
  });
});

describe("a server that dies between COMMIT and answer", () => {
  it("leaves an order that its client gets from another server", async () => {
    const key = newKey();
    // The answer of COMMIT, and everything after it, never arrives: for the client this server is dead.
    const held = await holdCommits();
    const abandoned = new AbortController();
    const dead = fetch(`${linked.url}/api/orders`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(order(3, [6, 1])),
      signal: abandoned.signal,
    }).catch(() => "no answer");
    await held.reached();
    link.halfOpen("to-client");
    await held.release();
    abandoned.abort();
    expect(await dead).toBe("no answer");
    const other = await direct.order(key, order(3, [6, 1]));
    expect(other.status).toBe(200);
    expect(await ordersUnder(key)).toBe(1);
  });
});

describe("rows that others hold", () => {
  it("end in 503 when they are not released in time, and the order can then be placed", async () => {
    const key = newKey();
    const blocker = await rig.pool.connect();
    await blocker.query("BEGIN");
    await blocker.query("UPDATE order_entry.districts SET name = name WHERE id = 1");
    const busy = await direct.order(key, order(1, [7, 1]));
    expect([busy.status, busy.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await direct.get("/api/items?limit=1")).status).toBe(200);
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await direct.order(key, order(1, [7, 1]))).status).toBe(201);
  });
});

describe("a transaction that the database undoes for the sake of another", () => {
  /** The first `times` orders are undone as by a deadlock or a serialization failure. A sequence counts on regardless. */
  const undoFirst = (times: number): Promise<unknown> =>
    rig.pool.query(`
      CREATE SEQUENCE undone;
      CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE turn bigint := nextval('undone');
        BEGIN
          IF turn <= ${times} AND turn % 2 = 0 THEN RAISE EXCEPTION 'planted' USING ERRCODE = '40P01'; END IF;
          IF turn <= ${times} THEN RAISE EXCEPTION 'planted' USING ERRCODE = '40001'; END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER undo BEFORE INSERT ON order_entry.orders FOR EACH ROW EXECUTE FUNCTION undo()`);
  afterEach(() => rig.pool.query("DROP FUNCTION undo CASCADE; DROP SEQUENCE undone"));

  it("is repeated without the client noticing", async () => {
    await undoFirst(2);
    const key = newKey();
    expect((await direct.order(key, order(1, [8, 1]))).status).toBe(201);
    expect(await ordersUnder(key)).toBe(1);
  });

  it("is answered 503 when that does not end", async () => {
    await undoFirst(1_000);
    const { status, headers, body } = await direct.order(newKey(), order(1, [8, 1]));
    expect([status, headers.get("retry-after"), body["retryable"]]).toEqual([503, "1", true]);
    const { rows } = await rig.pool.query<{ turns: string }>("SELECT last_value AS turns FROM undone");
    expect(Number(rows[0]?.turns)).toBeLessThanOrEqual(6);
  });
});

describe("a server that was declared lost", () => {
  it("answers 503 to everything, and nothing of it reaches the database", async () => {
    const lost = await rig.host({ id: "app-server-c" });
    expect((await lost.order(newKey(), order(1, [1, 1]))).status).toBe(201);
    let refusals = 0;
    lost.context.identity.onStandingRefused(() => (refusals += 1));
    await rig.declareLost(lost.context);
    const key = newKey();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { status, headers, body } = await lost.order(key, order(1, [1, 1]));
      expect([status, headers.get("retry-after"), body["retryable"]]).toEqual([503, "1", true]);
    }
    expect((await lost.get("/api/items")).status).toBe(503);
    expect(refusals).toBeGreaterThan(0);
    expect(await ordersUnder(key)).toBe(0);
  });
});

describe("a database that is away", () => {
  it("is answered 503 for reads and orders, and served again as soon as it is back", async () => {
    await server.kill();
    const [read, placed] = await Promise.all([direct.get("/api/items"), direct.order("away", order(1, [1, 1]))]);
    for (const { status, headers, body } of [read, placed]) {
      expect([status, headers.get("retry-after"), body["status"]]).toEqual([503, "1", 503]);
      expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    }
    await server.start();
    await eventually(async () => (await direct.order("away", order(1, [1, 1]))).status === 201, {
      describe: "orders are taken again",
    });
    expect((await direct.get("/api/items")).status).toBe(200);
  });

  it("does not keep a server from starting", async () => {
    const context = await rig.accepted({ id: "app-server-d" });
    await server.kill();
    const early = await OrderEntryHost.start(context);
    try {
      expect((await early.get("/api/items")).status).toBe(503);
      await server.start();
      await eventually(async () => (await early.get("/api/items")).status === 200, { describe: "it serves" });
    } finally {
      await early.stop();
    }
  });
});
