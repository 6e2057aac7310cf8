/** The primary's machine falls silent: packets vanish, nobody resets. Writers are on a third machine. */
import { pause } from "@understudy/runtime";
import { canUseNetworkNamespaces, eventually } from "@understudy/testkit";
import { join } from "node:path";
import { credentials, NamespacedMachines, ports } from "../namespaces/namespaced-machines.ts";

export interface SilenceReport {
  /** From the silence to the first commit on the new primary, one per round. */
  readonly resumedMs: readonly number[];
  readonly acknowledged: number;
  readonly errors: number;
  readonly lost: number;
  readonly doubled: number;
}

interface Said {
  readonly started?: boolean;
  readonly at?: number;
  readonly pauseMs?: number;
  readonly acknowledged?: number;
  readonly errors?: number;
  readonly lost?: number;
  readonly doubled?: number;
}

// The build, from here as from the source: other processes do not run TypeScript.
const writerScript = join(import.meta.dirname, "../../dist/failover/writer-process.js");
const members = ["postgres-a", "postgres-b"];

/** Undefined without the right to make network namespaces. */
export async function silentPrimary(
  rounds: number,
  callers: number,
  say: (text: string) => void,
): Promise<SilenceReport | undefined> {
  if (rounds === 0) return undefined;
  if (!canUseNetworkNamespaces()) {
    say("silent machine: skipped, needs root and network namespaces");
    return undefined;
  }
  const machines = new NamespacedMachines();
  try {
    machines.startNats();
    const hosts = members.map((_, index) => `${machines.network.address(index)}:${ports.postgres}`);
    for (const [index, member] of members.entries()) {
      machines.service("db-keeper", index, {
        UNDERSTUDY_DATABASE: "understudy",
        UNDERSTUDY_MEMBER: member,
        UNDERSTUDY_MEMBERS: members.map((each, at) => `${each}=${hosts[at] ?? ""}`).join(","),
        UNDERSTUDY_POSTGRES_DATA_DIR: machines.folder(member),
        UNDERSTUDY_POSTGRES_HOST: machines.network.address(index),
        UNDERSTUDY_NATS_NODE: member === "postgres-a" ? "nats-a" : "nats-b",
      });
    }
    const said: Said[] = [];
    const address = `postgres://postgres:${credentials.password}@${hosts.join(",")}/understudy?instances=${members.join(",")}`;
    const writer = machines.node(
      2,
      writerScript,
      { ADDRESS: address, CALLERS: String(callers) },
      (line) => void said.push(JSON.parse(line) as Said),
    );
    await eventually(() => said.some(({ started }) => started), { withinMs: 60_000, describe: "the writers write" });
    const resumedMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await isProtected(machines);
      await pause(2_000);
      const primary = machines.log.findLast(({ msg }) => msg === holdsMessage)?.id ?? "";
      const faultAt = Date.now();
      machines.silence(primary);
      const resumed = await eventually(
        () => said.find(({ at, pauseMs }) => (at ?? 0) > faultAt && (at ?? 0) - (pauseMs ?? 0) < faultAt + 100),
        { withinMs: 60_000, describe: "the writers go on" },
      );
      resumedMs.push((resumed.at ?? 0) - faultAt);
      say(JSON.stringify({ measure: "silent", round: round + 1, resumedMs: resumedMs.at(-1) }));
      await pause(1_000);
      machines.heal();
    }
    await isProtected(machines);
    writer.stdin.end();
    const total = await eventually(() => said.find(({ acknowledged }) => acknowledged !== undefined), {
      withinMs: 60_000,
      describe: "the writers' report",
    });
    const { acknowledged = 0, errors = 0, lost = 0, doubled = 0 } = total;
    return { resumedMs, acknowledged, errors, lost, doubled };
  } finally {
    await machines.stop();
  }
}

const holdsMessage = "holds the database";

/** Since the last keeper took the database a second instance has come into sync. */
const isProtected = (machines: NamespacedMachines): Promise<unknown> =>
  eventually(
    () =>
      machines.log.findLastIndex(({ event }) => event === "protected") >
      machines.log.findLastIndex(({ msg }) => msg === holdsMessage),
    { withinMs: 120_000, describe: "a second instance is in sync" },
  );
