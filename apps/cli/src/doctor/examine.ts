import { appServers, backgroundWork, beats, messageServer, streams } from "./cluster-checks.ts";
import { databaseService } from "./database-checks.ts";
import type { DoctorFacts } from "./facts.ts";
import type { Check } from "./finding.ts";
import { clocks, room, versions } from "./host-checks.ts";
import { databases, door, machines, natsNodes, processes, supervisor } from "./local-checks.ts";

/** Judges the facts: every check, in the order in which causes come before their effects. Pure. */
export function examine(facts: DoctorFacts): Check[] {
  const { local } = facts;
  return [
    ...(local ? [supervisor(local), machines(local), processes(local), natsNodes(local), databases(local)] : []),
    streams(facts),
    messageServer(facts),
    databaseService(facts),
    appServers(facts),
    backgroundWork(facts),
    beats(facts),
    room(facts),
    clocks(facts),
    versions(facts),
    ...(local ? [door(local)] : []),
  ];
}
