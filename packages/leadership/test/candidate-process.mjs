/**
 * A candidate in a process of its own, that tests kill and freeze. It runs the build, as services do, and prints one
 * line of JSON for each thing that happens to it. It answers probes on all its lifelines, as every service does.
 */
import { probe, subjectOf } from "@understudy/contracts";
import { Elector, HolderProbe, isHeldBy, NatsLeaseStore, standardTiming } from "@understudy/leadership";
import { createLog, Identity, NatsConnections } from "@understudy/runtime";

const {
  ROLE: role,
  ID: id,
  SERVERS: servers,
  NATS_USER: user,
  NATS_PASSWORD: password,
  REPLICAS: replicas,
} = process.env;
const say = (event, facts = {}) => process.stdout.write(`${JSON.stringify({ event, at: Date.now(), ...facts })}\n`);
const log = createLog("silent", "json", {});
const identity = new Identity({ kind: "message-server", id, cluster: "test", site: "test", machine: `machine-${id}` });
const stop = new AbortController();

const nats = await NatsConnections.open({ servers: servers.split(","), user, password, name: id }, log, stop.signal);
nats.onLifeline((connection) =>
  connection.subscribe(subjectOf(probe, id), {
    callback: (_, message) => {
      const request = message.json();
      message.respond(
        JSON.stringify({ response: { incarnation: identity.incarnation }, isDisposed: true, id: request.id }),
      );
    },
  }),
);
nats.openLifelines();
const store = await NatsLeaseStore.open(
  nats.main,
  { role, replicas: Number(replicas), swapTimeoutMs: standardTiming.swapTimeoutMs },
  log,
  stop.signal,
);
const elector = new Elector({
  role,
  identity,
  store,
  log,
  isEligible: () => nats.lifelines.some(({ connected }) => connected),
});
const holderProbe = new HolderProbe({
  nats,
  observer: id,
  log,
  holder: () => {
    const { seen } = elector;
    return seen === undefined || isHeldBy(seen, identity.ref) || seen.lease.status === "released"
      ? undefined
      : seen.lease.holder;
  },
  onHint: (incarnation, evidence) => elector.hint(incarnation, evidence),
  onAlive: (incarnation) => elector.holderIsAlive(incarnation),
});
elector.on("lead", ({ term }, evidence, previous) =>
  say("lead", { term, evidence, from: previous?.lease.holder.id, lastAliveAt: holderProbe.lastAnswerAt }),
);
elector.on("lose", ({ term }, reason) => say("lose", { term, reason }));
let shownTerm = 0;
elector.on("lease", ({ lease }) => {
  if (lease.term === shownTerm) return;
  shownTerm = lease.term;
  say("lease", { term: lease.term, holder: lease.holder.id });
});
process.on("SIGTERM", () => {
  void elector.handOver().then(async () => {
    elector.stop();
    holderProbe.stop();
    await nats.close();
    process.exit(0);
  });
});
holderProbe.start();
elector.start();
while (nats.lifelines.some(({ connected }) => !connected)) await new Promise((resolve) => setTimeout(resolve, 10));
// Old enough to be believed what they say of the holder.
await new Promise((resolve) => setTimeout(resolve, 700));
say("ready");
// What a handler of it would do: an effect for each moment in which it may.
setInterval(() => {
  const leading = elector.leading;
  if (leading !== undefined) say("acts", { term: leading.term });
}, 50);
