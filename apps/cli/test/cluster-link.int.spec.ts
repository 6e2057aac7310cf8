import { clusterStatus } from "@understudy/contracts";
import { eventually, NatsCluster } from "@understudy/testkit";
import { ClusterLink } from "../src/access/cluster-link.ts";
import { ScriptedMessageServer } from "./scripted-message-server.ts";

describe("the link to a cluster", () => {
  /** Two nodes that do not know each other, as on both sides of a cut. */
  let wrongSide: NatsCluster;
  let rightSide: NatsCluster;
  let messageServer: ScriptedMessageServer;
  let link: ClusterLink;

  beforeAll(async () => {
    [wrongSide, rightSide] = await Promise.all([NatsCluster.start({ nodes: 1 }), NatsCluster.start({ nodes: 1 })]);
    messageServer = new ScriptedMessageServer(await rightSide.connect());
    await messageServer.start();
  });
  afterAll(() => Promise.all([wrongSide.stop(), rightSide.stop()]));

  beforeEach(() => {
    const { user, password } = wrongSide;
    const servers = [...wrongSide.servers, ...rightSide.servers];
    link = new ClusterLink({ servers, user, password }, new AbortController().signal);
  });
  afterEach(() => link.close());

  it("turns to the next node when the first knows no message server", async () => {
    expect(await link.ask(clusterStatus, {})).toMatchObject({ leader: { term: 7 } });
  }, 20_000);

  it("turns to the next node also across questions that each have no patience, as those of watch", async () => {
    expect(await eventually(() => link.ask(clusterStatus, {}, { patienceMs: 0 }))).toMatchObject({
      leader: { term: 7 },
    });
  }, 20_000);

  it("turns to the next node when answers do not come", async () => {
    const mute = await wrongSide.connect();
    const subscription = mute.subscribe(clusterStatus.subject);
    await mute.flush();
    const waits: string[] = [];
    const status = await link.ask(clusterStatus, {}, { answerMs: 1_100, onWait: (reason) => waits.push(reason) });
    subscription.unsubscribe();
    expect(status).toMatchObject({ leader: { term: 7 } });
    expect(waits).toEqual([expect.stringContaining("No answer")]);
  }, 20_000);
});
