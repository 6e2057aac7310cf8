import { connect, type NatsConnection } from "@nats-io/transport-node";
import { defineRequest } from "@understudy/contracts";
import { call, LeaderChangedError, NoAnswerError, NoRespondersHint } from "@understudy/runtime";
import { eventually, NatsCluster } from "@understudy/testkit";
import { z } from "zod";
import { LeaderSubjects } from "../src/nats/leader-subjects.ts";

const request = (subject: string, repeatable: boolean) =>
  defineRequest({
    subject,
    sentBy: "test",
    answeredBy: "leader",
    repeatable,
    request: z.object({}),
    reply: z.object({ by: z.string() }),
  });
const asked = request("test.asked", true);
const done = request("test.done", false);

describe("the subjects of a leader", () => {
  let cluster: NatsCluster;
  let server: NatsConnection;
  let client: NatsConnection;

  beforeAll(async () => {
    cluster = await NatsCluster.start();
    const { servers, user, password: pass } = cluster;
    [server, client] = await Promise.all([connect({ servers, user, pass }), connect({ servers, user, pass })]);
  });
  afterAll(async () => {
    await client.close();
    await server.close();
    await cluster.stop();
  });

  const subjectsOf = async (by: string, connection = server): Promise<LeaderSubjects> => {
    const subjects = new LeaderSubjects(
      connection,
      by,
      [asked, done].map(({ subject, repeatable }) => ({
        subject,
        isRepeatable: repeatable,
        handle: (_error, message) => {
          const { id } = message.json<{ id: string }>();
          message.respond(JSON.stringify({ id, response: { by }, isDisposed: true }));
        },
      })),
    );
    // Until the client's NATS node knows of them as well.
    for (const contract of [asked, done]) await eventually(() => ask(contract));
    return subjects;
  };
  const causeOf = (error: unknown) => error;
  const ask = (contract: typeof asked, timeoutMs = 2_000) => call(client, contract, {}, { timeoutMs });

  it("are answered, then refused at once, and given up only when a successor has answered for a while", async () => {
    const subjects = await subjectsOf("a");
    expect(await ask(asked)).toEqual({ by: "a" });
    let succeed: () => void = () => undefined;
    const left = subjects.leave(new Promise<void>((resolve) => (succeed = resolve)));
    await expect(ask(asked)).rejects.toBeInstanceOf(LeaderChangedError);
    await expect(ask(done)).rejects.toBeInstanceOf(LeaderChangedError);
    succeed();
    await left;
    await eventually(
      () =>
        ask(asked).then(
          () => false,
          (error: unknown) => error instanceof NoRespondersHint,
        ),
      { withinMs: 5_000, describe: "nobody subscribes" },
    );
  });

  it("belong to the successor once it answers, and nothing in its work is contradicted", async () => {
    // The former one lingers for a second; a machine too busy to ask within it tries once more.
    for (let tries = 1; ; tries++) {
      const former = await subjectsOf("a");
      const leftAt = performance.now();
      const left = former.leave(Promise.resolve());
      await Promise.resolve();
      // Only the former one gets these: what may be asked again is refused, what may not stays without an answer.
      const [repeatable, once] = await Promise.all([asked, done].map((contract) => ask(contract, 200).catch(causeOf)));
      const isInTime = performance.now() - leftAt < 900;
      const successor = await subjectsOf("b", client);
      expect(await ask(asked)).toEqual({ by: "b" });
      expect(await ask(done)).toEqual({ by: "b" });
      await left;
      successor.end();
      await client.flush();
      if (!isInTime && tries < 10) continue;
      expect(repeatable).toBeInstanceOf(LeaderChangedError);
      expect(once).toBeInstanceOf(NoAnswerError);
      return;
    }
  });

  it("survive what is no request, and a connection that closes before the refusal is sent", async () => {
    const { servers, user, password: pass } = cluster;
    const own = await connect({ servers, user, pass });
    const subjects = await subjectsOf("a", own);
    const left = subjects.leave(Promise.resolve());
    await Promise.resolve();
    client.publish(asked.subject, "not JSON", { reply: "test.nobody" });
    const answer = ask(asked, 300);
    await client.flush();
    await own.flush();
    await own.close();
    // No answer; or the refusal, where closing took longer than that. The process lives either way.
    await expect(answer).rejects.toThrow();
    await left;
  });
});
