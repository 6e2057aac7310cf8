/** Reading and changing one place of the settings by its path, such as `appServers.drainMs`. Pure. */
import { CallerError } from "@understudy/runtime/errors";
import { nearest } from "./access/targets.ts";

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every path that leads to a value, in the order of the settings. */
export function leafPaths(settings: Tree, before = ""): string[] {
  return Object.entries(settings).flatMap(([key, value]) =>
    isTree(value) ? leafPaths(value, `${before}${key}.`) : [`${before}${key}`],
  );
}

/** @throws CallerError naming what there is. */
export function valueAt(settings: Tree, path: string): unknown {
  let at: unknown = settings;
  for (const key of path.split(".")) {
    if (!isTree(at) || !Object.hasOwn(at, key)) throw unknownPath(settings, path);
    at = at[key];
  }
  return at;
}

/** A copy with another value at `path`, which must exist: a new name is a typing error. */
export function withValueAt(settings: Tree, path: string, value: unknown): Tree {
  valueAt(settings, path);
  const [key = "", ...rest] = path.split(".");
  const inner = settings[key];
  return { ...settings, [key]: rest.length > 0 && isTree(inner) ? withValueAt(inner, rest.join("."), value) : value };
}

function unknownPath(settings: Tree, path: string): CallerError {
  const known = leafPaths(settings);
  const meant = nearest(known, path);
  return new CallerError(
    "invalid-request",
    `There is no setting "${path}".${meant.length > 0 ? ` Did you mean ${meant.join(" or ")}?` : ""} Known: ${known.join(", ")}.`,
  );
}

/** What an operator typed: JSON, else a text. */
export function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
