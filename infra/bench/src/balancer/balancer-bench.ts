/**
 * The balancer beside its peers, in one run, in turns (A B C A B C ..), so that a noisy minute hits them all. Ratios
 * are taken within a round and their medians given; the figures themselves depend on the machine.
 *
 * Options: --rounds=5 --seconds=3 --only=own,haproxy,bare,direct --parts=load,kill
 */
import { temporaryFolder } from "@understudy/testkit";
import { quantile } from "../statistics.ts";
import { Backends, startBareDispatch, startHaproxy, type Contestant } from "./contestants.ts";
import { RoutingSource } from "./own-balancer.ts";
import { processCpuMs } from "./process-cpu.ts";
import { Wrk, type RequestKind, type WrkResult } from "./wrk.ts";

const names = ["direct", "haproxy", "bare", "own"] as const;
type Name = (typeof names)[number];
const titles: Readonly<Record<Name, string>> = {
  direct: "direct (no balancer)",
  haproxy: "HAProxy, 1 thread",
  bare: "bare undici dispatch",
  own: "load-balancer",
};
const kinds: readonly RequestKind[] = ["get", "post"];
const warmSeconds = 4;

interface Sample extends WrkResult {
  readonly rps: number;
  readonly cpuMsPer1000: number;
}

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly Name[];
  readonly parts: readonly string[];
}

function readOptions(args: readonly string[]): Options {
  const given = new Map(args.map((arg) => /^--([a-z-]+)=(.*)$/.exec(arg)?.slice(1) as [string, string]));
  const only = (given.get("only") ?? names.join(",")).split(",");
  return {
    rounds: Number(given.get("rounds") ?? 5),
    seconds: Number(given.get("seconds") ?? 3),
    only: names.filter((name) => only.includes(name)),
    parts: (given.get("parts") ?? "load,kill").split(","),
  };
}

const median = (values: readonly number[]): number => quantile(values, 0.5);
const figure = (value: number, digits = 0): string =>
  Number.isNaN(value)
    ? ""
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

class Field {
  private constructor(
    private readonly folder: string,
    readonly backends: Backends,
    private readonly source: RoutingSource,
  ) {}

  static async open(folder: string): Promise<Field> {
    const backends = await Backends.start();
    return new Field(folder, backends, await RoutingSource.start(backends.ports));
  }

  start(name: Exclude<Name, "direct">): Promise<Contestant> {
    if (name === "haproxy") return startHaproxy(this.folder, this.backends.ports);
    if (name === "bare") return startBareDispatch(this.backends.ports);
    return this.source.startBalancer();
  }

  async close(): Promise<void> {
    await this.source.stop();
    await this.backends.stop();
  }
}

async function measure(
  wrk: Wrk,
  ports: readonly number[],
  pid: number,
  seconds: number,
  kind: RequestKind,
): Promise<Sample> {
  const before = pid === 0 ? 0 : processCpuMs(pid);
  const results = await Promise.all(ports.map((port) => wrk.run(port, seconds, kind, 64 / ports.length)));
  const cpuMs = pid === 0 ? Number.NaN : processCpuMs(pid) - before;
  const sum = (read: (result: WrkResult) => number) => results.reduce((total, result) => total + read(result), 0);
  const requests = sum((result) => result.requests);
  return {
    requests,
    seconds: (results[0] as WrkResult).seconds,
    rps: requests / (results[0] as WrkResult).seconds,
    p50Ms: sum(({ p50Ms }) => p50Ms) / results.length,
    p99Ms: sum(({ p99Ms }) => p99Ms) / results.length,
    maxMs: Math.max(...results.map(({ maxMs }) => maxMs)),
    errors: sum((result) => result.errors),
    late: sum((result) => result.late),
    cpuMsPer1000: (cpuMs * 1_000) / requests,
  };
}

/** All run from the start to the end, as balancers do: each is warm, and only the measured one has anything to do. */
async function loadPart(field: Field, wrk: Wrk, options: Options): Promise<void> {
  const samples = new Map<string, Sample[]>();
  const contestants = new Map<Name, Contestant>();
  for (const name of options.only) if (name !== "direct") contestants.set(name, await field.start(name));
  const measureOne = (name: Name, seconds: number, kind: RequestKind) => {
    const contestant = contestants.get(name);
    const ports = contestant ? [contestant.port] : field.backends.ports;
    return measure(wrk, ports, contestant?.pid ?? 0, seconds, kind);
  };
  try {
    for (const name of options.only) for (const kind of kinds) await measureOne(name, warmSeconds, kind);
    for (let round = 0; round < options.rounds; round++) {
      for (const kind of kinds) {
        for (const name of options.only) {
          const sample = await measureOne(name, options.seconds, kind);
          samples.set(`${name} ${kind}`, [...(samples.get(`${name} ${kind}`) ?? []), sample]);
        }
      }
    }
  } finally {
    for (const contestant of contestants.values()) await contestant.stop();
  }
  const of = (name: Name, kind: RequestKind): readonly Sample[] => samples.get(`${name} ${kind}`) ?? [];
  const ratio = (name: Name, to: Name, kind: RequestKind, read: (sample: Sample) => number): string =>
    name === to || name === "direct"
      ? ""
      : figure(median(of(name, kind).map((sample, index) => read(sample) / read(of(to, kind)[index] as Sample))), 2);
  for (const kind of kinds) {
    console.log(`\n${kind === "get" ? "GET, answer 1 KB" : "POST of 4 KB, answer 1 KB"}, 64 connections\n`);
    console.log(
      "| | requests/s | of HAProxy | of bare | CPU ms per 1,000 | of HAProxy | p50 ms | p99 ms | errors | later than 2 s |",
    );
    console.log("|---|---|---|---|---|---|---|---|---|---|");
    for (const name of options.only) {
      const all = of(name, kind);
      const has = (other: Name) => options.only.includes(other);
      const cells = [
        figure(median(all.map(({ rps }) => rps))),
        has("haproxy") ? ratio(name, "haproxy", kind, ({ rps }) => rps) : "",
        has("bare") && name === "own" ? ratio(name, "bare", kind, ({ rps }) => rps) : "",
        figure(median(all.map(({ cpuMsPer1000 }) => cpuMsPer1000)), 1),
        has("haproxy") ? ratio(name, "haproxy", kind, ({ cpuMsPer1000 }) => cpuMsPer1000) : "",
        figure(median(all.map(({ p50Ms }) => p50Ms)), 2),
        figure(median(all.map(({ p99Ms }) => p99Ms)), 2),
        figure(all.reduce((total, { errors }) => total + errors, 0)),
        figure(all.reduce((total, { late }) => total + late, 0)),
      ];
      console.log(`| ${titles[name]} | ${cells.join(" | ")} |`);
    }
  }
}

const killSeconds = 6;

/** One of two backends is killed a second after the start and comes back three seconds later. */
async function killPart(field: Field, wrk: Wrk, options: Options): Promise<void> {
  console.log(`\nOne of two backends killed for 3 of ${killSeconds} s, 64 connections\n`);
  console.log("| | requests | errors | later than 2 s | p99 ms | longest ms |");
  console.log("|---|---|---|---|---|---|");
  for (const name of options.only) {
    if (name === "direct") continue;
    for (const kind of kinds) {
      const contestant = await field.start(name);
      const run = wrk.run(contestant.port, killSeconds, kind);
      await wait(1_000);
      await field.backends.kill(1);
      await wait(3_000);
      await field.backends.revive(1);
      const { requests, errors, late, p99Ms, maxMs } = await run;
      await contestant.stop();
      const cells = [figure(requests), figure(errors), figure(late), figure(p99Ms, 1), figure(maxMs, 1)];
      console.log(`| ${titles[name]}, ${kind === "get" ? "GET" : "keyed POST"} | ${cells.join(" | ")} |`);
    }
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  const folder = temporaryFolder("balancer-bench");
  const wrk = new Wrk(folder.path);
  const field = await Field.open(folder.path);
  try {
    if (options.parts.includes("load")) await loadPart(field, wrk, options);
    if (options.parts.includes("kill")) await killPart(field, wrk, options);
  } finally {
    await field.close();
    folder.remove();
  }
}
