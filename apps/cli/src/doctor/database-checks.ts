/** What the database service tells: primaries, redundancy, pools, commits in doubt. Pure. */
import type { DatabaseTopology } from "@understudy/contracts";
import { counted } from "../render/units.ts";
import type { DoctorFacts } from "./facts.ts";
import { check, finding, type Check, type Finding } from "./finding.ts";
import { knownCauses } from "./known-causes.ts";

export function databaseService({ databases, local }: DoctorFacts): Check {
  const name = "db-pools";
  if (databases === undefined) {
    const runs = local?.run.processes.some(({ kind }) => kind === "db-pool") === true;
    return check(
      name,
      runs ? "a db-pool's answer" : "no db-pool known",
      runs ? [finding("db-pool", "none answers", "start one; if one runs: understudy logs db-pool-a db-pool-c")] : [],
    );
  }
  const known = knownCauses(local);
  const stuck = databases.inDoubt.filter(({ outcome }) => outcome === "unknown");
  const findings = [
    ...databases.databases.flatMap((topology) => ofDatabase(topology, known)),
    ...databases.pools
      .filter(({ held }) => held > 0)
      .map(({ instance, held }) =>
        finding(instance.id, `holds ${counted(held, "caller", "callers")}: it knows no primary`, "understudy db list"),
      ),
    ...(stuck.length > 0
      ? [
          finding(
            "commits",
            `${counted(stuck.length, "commit", "commits")} ended with an unknown outcome`,
            "understudy db in-doubt names them; the application that asked was told so",
          ),
        ]
      : []),
  ];
  const primaries = databases.databases.map(({ database, primary }) => `${database} on ${primary ?? "nobody"}`);
  return check(name, `${primaries.join(", ")}, ${counted(databases.pools.length, "pool", "pools")}`, findings);
}

function ofDatabase(topology: DatabaseTopology, known: ReadonlySet<string>): Finding[] {
  const { database, primary, phase, degradedSince, paused, members } = topology;
  const findings: Finding[] = [];
  if (primary === undefined) {
    findings.push(
      finding(
        database,
        `has no primary (${phase}): writers wait`,
        "understudy db list; understudy logs of its keepers",
      ),
    );
  }
  if (degradedSince !== undefined) {
    findings.push(
      finding(
        database,
        "runs on one instance: a failure now loses the service",
        "bring its standby back: understudy db list",
      ),
    );
  }
  if (paused !== undefined) {
    findings.push(finding(database, `does not fail over by itself: ${paused.reason}`, "understudy db resume"));
  }
  for (const { id, state, role, inSync, note } of members) {
    if (known.has(id)) continue;
    if (state === "unreachable" || state === "failed" || state === "fenced") {
      findings.push(finding(id, `is ${state}${note === undefined ? "" : `: ${note}`}`, `understudy logs ${id}`));
    } else if (role === "standby" && !inSync && degradedSince === undefined) {
      findings.push(finding(id, `is not in sync (${state})`, "it joins when it has caught up; understudy db history"));
    } else if (role === "none" && note !== undefined) {
      findings.push(finding(id, note, `understudy logs ${id}`));
    }
  }
  return findings;
}
