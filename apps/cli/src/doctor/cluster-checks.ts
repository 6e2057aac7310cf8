/** What the message server, JetStream and the beats tell. Pure. */
import { counted, duration } from "../render/units.ts";
import type { DoctorFacts } from "./facts.ts";
import { check, finding, type Check, type Finding } from "./finding.ts";
import { knownCauses } from "./known-causes.ts";

/** As many copies as survive the loss of a machine and still have a majority. */
const wantedReplicas = 3;

export function streams({ streams: found, natsFailure, local }: DoctorFacts): Check {
  if (natsFailure !== undefined) {
    return check("JetStream", "connection to NATS", [
      finding(
        "NATS",
        natsFailure,
        local ? "understudy start the nodes that are down" : "check --nats, user and password",
      ),
    ]);
  }
  if (found === undefined) {
    return check("JetStream", "streams", [
      finding("JetStream", "did not answer in time", "if it stays so: a majority of the NATS nodes must run"),
    ]);
  }
  const wanted = local ? Math.min(wantedReplicas, local.nats.length) : 1;
  const known = knownCauses(local);
  const away = found.flatMap(({ behind }) => behind).filter((id) => known.has(id));
  const findings = found.flatMap(({ name, leader, replicas, current, behind }): Finding[] => {
    if (leader === undefined) {
      return [finding(name, "has no leader, so nothing can be written to it", "a majority of its NATS nodes must run")];
    }
    if (replicas < wanted) {
      return [
        finding(
          name,
          `has ${counted(replicas, "copy", "copies")} instead of ${wanted}`,
          "restart a message server: it sets its streams up",
        ),
      ];
    }
    if (current + behind.filter((id) => known.has(id)).length >= replicas) return [];
    return [
      finding(
        name,
        `has ${current} of ${replicas} copies up to date${behind.length > 0 ? ` (behind: ${behind.join(", ")})` : ""}`,
        "it catches up once those nodes run",
      ),
    ];
  });
  const redundancy = away.length === 0 ? "" : `, without their copies on ${[...new Set(away)].join(", ")}`;
  return check("JetStream", `${counted(found.length, "stream", "streams")}${redundancy}`, findings);
}

export function messageServer({ status, roles, local }: DoctorFacts): Check {
  if (status === undefined) {
    const last = roles ? `; in the configuration: ${roles.messageServer} (term ${roles.term})` : "";
    return check("message server", "the leader's answer", [
      finding(
        "message server",
        `none answers${last}`,
        "start one; if one runs: understudy logs message-server-a message-server-b",
      ),
    ]);
  }
  const { leader, termInDatabase, roles: current, instances } = status;
  const findings: Finding[] = [];
  if (!termInDatabase) {
    findings.push(
      finding(
        leader.holder.id,
        `leads, but its term ${leader.term} does not stand in the database yet: fates of app servers wait`,
        "make the database reachable; the rest happens by itself",
      ),
    );
  }
  const warm = current.alternates.filter((id) =>
    instances.some(({ instance, verdict, ready }) => instance.id === id && verdict === "alive" && ready),
  );
  if (warm.length === 0) findings.push(noAlternate(current.alternates, knownCauses(local)));
  return check("message server", `${leader.holder.id} leads, term ${leader.term}`, findings);
}

function noAlternate([first, ...more]: readonly string[], known: ReadonlySet<string>): Finding {
  if (first === undefined) {
    return finding("alternate", "there is none: a failure finds no understudy", "start a second message server");
  }
  return finding(
    "alternate",
    `${[first, ...more].join(", ")} cannot take over now: a failure finds no understudy`,
    known.has(first) ? "mend what is told of it above" : `understudy start ${first}, or understudy logs ${first}`,
  );
}

export function appServers({ status, routing, local }: DoctorFacts): Check {
  if (status === undefined) return check("app servers", "not known without a message server", []);
  const findings: Finding[] = [];
  const known = knownCauses(local);
  const registered = new Set(status.appServers.map(({ instance }) => instance.id));
  for (const { id, kind, state } of local?.run.processes ?? []) {
    if (kind === "app-server" && state === "running" && !known.has(id) && !registered.has(id)) {
      findings.push(
        finding(id, "runs, but no message server has accepted it", `understudy logs ${id} tells the reason`),
      );
    }
  }
  for (const { instance, state } of status.appServers) {
    if (known.has(instance.id)) continue;
    if (state === "suspect") findings.push(finding(instance.id, "is suspect", `understudy logs ${instance.id}`));
    if (state === "lost")
      findings.push(
        finding(instance.id, "was declared lost", `understudy history tells why; understudy start ${instance.id}`),
      );
  }
  const serving = status.appServers.filter(({ state }) => state === "accepting").map(({ instance }) => instance.id);
  if (serving.length === 0) {
    findings.push(finding("app servers", "none takes requests: users wait", "start or resume one"));
  }
  if (routing === undefined) {
    findings.push(
      finding("routing table", "was not published while we listened", `understudy logs ${status.leader.holder.id}`),
    );
  } else {
    const routed = new Set(routing.servers.map(({ id }) => id));
    for (const id of serving) {
      if (!routed.has(id) && !known.has(id))
        findings.push(
          finding(id, "takes requests but is not in the routing table", `understudy logs ${status.leader.holder.id}`),
        );
    }
  }
  const draining = status.appServers.filter(({ state }) => state === "draining").length;
  return check(
    "app servers",
    `${serving.length} accepting${draining > 0 ? `, ${draining} draining` : ""}, routing table`,
    findings,
  );
}

/** N-1: said before the machine is lost. */
export function backgroundWork({ status }: DoctorFacts): Check {
  const findings = (status?.warnings ?? []).map((warning) =>
    finding(
      "background work",
      warning,
      "start an app server, or give it more workers: understudy config get workQueues.workers",
    ),
  );
  return check("background work", "workers left without any one machine", findings);
}

/** Instances as the message server hears them; what the supervisor says is looked at elsewhere. */
export function beats({ status, local }: DoctorFacts): Check {
  const known = knownCauses(local);
  const instances = status?.instances ?? [];
  const findings = instances
    .filter(({ instance, verdict }) => verdict !== "alive" && !known.has(instance.id))
    .map(({ instance, verdict, lastBeatMs }) =>
      finding(instance.id, `is ${verdict}: last beat ${duration(lastBeatMs)} ago`, `understudy logs ${instance.id}`),
    );
  if (local === undefined) {
    for (const { instance, verdict, ready } of instances) {
      if (verdict === "alive" && !ready)
        findings.push(finding(instance.id, "is not ready", "look at its /readyz and its log"));
    }
  }
  return check("beats", counted(instances.length, "instance", "instances"), findings);
}
