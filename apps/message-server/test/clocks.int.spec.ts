import { pause } from "@understudy/runtime";
import { eventually, withClock, type ClockFault } from "@understudy/testkit";
import { MessageServerCluster, type Letter } from "./message-server-cluster.ts";

const seconds = 1_000;
const hours = 3_600 * seconds;
const letters: readonly Letter[] = ["a", "b"];

/** FAULTS row 12: the clock of each message server. */
const clocks: readonly (readonly [string, ClockFault, ClockFault])[] = [
  ["90 s apart", { offsetMs: 90 * seconds }, { offsetMs: -90 * seconds }],
  ["an hour ahead and an hour behind", { offsetMs: hours }, { offsetMs: -hours }],
  ["an hour behind and an hour ahead", { offsetMs: -hours }, { offsetMs: hours }],
  ["the first at double speed", { speed: 2 }, {}],
  ["the second at double speed", {}, { speed: 2 }],
  ["one at double speed and an hour behind, one at half speed", { speed: 2, offsetMs: -hours }, { speed: 0.5 }],
];

describe("message servers whose clocks are wrong:", () => {
  let cluster: MessageServerCluster;
  beforeAll(async () => {
    cluster = await MessageServerCluster.start({ nodes: 1 });
  });
  afterAll(() => cluster.stop());

  /** L1, L5: terms in the database's and the cluster's own order. */
  async function termsRise(): Promise<void> {
    const { rows } = await cluster.postgres
      .pool()
      .query<{ term: string }>("SELECT term FROM understudy.leadership_term ORDER BY term");
    const terms = rows.map(({ term }) => Number(term));
    expect(new Set(terms).size).toBe(terms.length);
    const written = (await cluster.history()).map(({ term }) => term);
    expect(written).toEqual(written.toSorted((a, b) => a - b));
  }

  it.each(clocks)(
    "%s: a healthy leader is left alone, a dead one replaced, a thawed one has no say",
    async (_name, ...faults) => {
      const before = await cluster.leader();
      for (const [index, letter] of letters.entries()) {
        await cluster.server(`message-server-${letter}`).kill();
        await cluster.startServer(letter, withClock(faults[index] as ClockFault));
      }
      const calm = await cluster.leader();
      expect(calm.term).toBeGreaterThan(before.term);
      const alternate = calm.holder.id === "message-server-a" ? "message-server-b" : "message-server-a";
      await eventually(
        async () =>
          (await cluster.status()).instances.some(
            ({ instance, ready, verdict }) => instance.id === alternate && ready && verdict === "alive",
          ),
        { withinMs: 15_000, describe: "the alternate is ready" },
      );
      // A clock at double speed has lost patience after half of the 15 s for which a leader's silence is borne.
      await pause((faults.some(({ speed }) => speed !== undefined) ? 9 : 1) * seconds);
      expect((await cluster.leader()).term).toBe(calm.term);
      const old = cluster.server(calm.holder.id);
      old.freeze();
      const after = await cluster.leader(calm.holder.id);
      expect(after.term).toBeGreaterThan(calm.term);
      old.thaw();
      await eventually(() => old.log.some(({ msg }) => msg === "no longer leading"), {
        withinMs: 20_000,
        describe: "the old leader knows",
      });
      expect((await cluster.leader()).term).toBe(after.term);
      await termsRise();
    },
    90_000,
  );
});
