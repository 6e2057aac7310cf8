/**
 * The cluster configuration: read, and changed by compare-and-set. Every change names the version that it was made
 * from; when somebody was faster, nothing is changed and both versions are told.
 */
import { readFile } from "node:fs/promises";
import { userInfo, hostname } from "node:os";
import { resolve } from "node:path";
import {
  clusterSettings,
  defaultClusterSettings,
  getConfiguration,
  setConfiguration,
  type ClusterSettings,
  type VersionedSettings,
} from "@understudy/contracts";
import { CallerError, UnderstudyError } from "@understudy/runtime/errors";
import { uuidv7 } from "uuidv7";
import type { CommandContext } from "../command-context.ts";
import { renderChange, renderConfiguration, renderValue } from "../render/configuration.ts";
import { parseValue, valueAt, withValueAt } from "../settings-path.ts";

const read = async (context: CommandContext): Promise<VersionedSettings> =>
  (await context.cluster().ask(getConfiguration, {})).settings;

export async function configGet(context: CommandContext, path: string | undefined): Promise<void> {
  const { settings: current, roles } = await context.cluster().ask(getConfiguration, {});
  if (path === undefined) {
    const { changeIds: _internal, ...shown } = current;
    context.output.show({ ...shown, roles }, (style) =>
      renderConfiguration(current, defaultClusterSettings(), Date.now(), style),
    );
    return;
  }
  const value = valueAt(current.settings, path);
  context.output.show({ version: current.version, path, value }, () => renderValue(value));
}

export async function configSet(
  context: CommandContext,
  path: string,
  text: string,
  expected: string | undefined,
): Promise<void> {
  const current = await read(context);
  const version = expectedVersion(expected) ?? current.version;
  if (version !== current.version) throw conflict(version, current);
  const settings = checked(withValueAt(current.settings, path, parseValue(text)));
  await change(context, current, settings);
}

export async function configApply(context: CommandContext, file: string, expected: string | undefined): Promise<void> {
  const given = parseDocument(await readDocument(context, file), file);
  const settings = checked(given.settings);
  const current = await read(context);
  const version = expectedVersion(expected) ?? given.version ?? current.version;
  if (version !== current.version) throw conflict(version, current);
  await change(context, current, settings);
}

async function change(context: CommandContext, current: VersionedSettings, settings: ClusterSettings): Promise<void> {
  let after = current;
  let warnings: readonly string[] = [];
  if (JSON.stringify(settings) !== JSON.stringify(current.settings)) {
    try {
      const reply = await context.cluster().ask(setConfiguration, {
        expectedVersion: current.version,
        changeId: uuidv7(),
        changedBy: `${userInfo().username}@${hostname()}`,
        settings,
      });
      after = reply.settings;
      warnings = reply.warnings;
    } catch (error) {
      if (!(error instanceof UnderstudyError) || error.code !== "conflict") throw error;
      throw conflict(current.version, await read(context));
    }
  }
  const { version, settings: stored } = after;
  context.output.show({ versionBefore: current.version, version, settings: stored, warnings }, (style) =>
    [renderChange(current, after, style), ...warnings.map((warning) => `Beware: ${warning}.`)].join("\n"),
  );
}

function conflict(expected: number, current: VersionedSettings): CallerError {
  return new CallerError(
    "conflict",
    `Version ${expected} was expected, the cluster has version ${current.version} (changed by ${current.changedBy} at ` +
      `${current.changedAt}). Nothing was changed: look at it (understudy config get) and repeat.`,
  );
}

/** Checked here too, so that an operator sees every fault even while no message server answers. */
function checked(settings: unknown): ClusterSettings {
  const result = clusterSettings.safeParse(settings);
  if (result.success) return result.data;
  throw new CallerError("invalid-request", "These settings cannot be used; nothing was changed:", {
    faults: result.error.issues.flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => `${[...issue.path, key].join(".")}: no such setting`)
        : [`${issue.path.join(".") || "settings"}: ${issue.message}`],
    ),
  });
}

function expectedVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const version = Number(text);
  if (Number.isInteger(version) && version > 0) return version;
  throw new CallerError("invalid-request", `--expect-version "${text}" is no version: a whole number from 1.`);
}

async function readDocument(context: CommandContext, file: string): Promise<string> {
  if (file === "-") return context.surroundings.readInput();
  try {
    return await readFile(resolve(context.surroundings.folder, file), "utf8");
  } catch (error) {
    throw new CallerError("invalid-request", `${file} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

/** Either bare settings, or what `config get --format json` printed: then its version is the expected one. */
function parseDocument(text: string, file: string): { readonly settings: unknown; readonly version?: number } {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new CallerError("invalid-request", `${file} is not JSON: ${(error as Error).message}.`, { cause: error });
  }
  if (typeof document === "object" && document !== null && "settings" in document) {
    const version = "version" in document ? document.version : undefined;
    return { settings: document.settings, ...(typeof version === "number" && { version }) };
  }
  return { settings: document };
}
