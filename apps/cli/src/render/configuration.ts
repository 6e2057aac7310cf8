/** The cluster configuration as text. Pure. */
import type { ClusterSettings, VersionedSettings } from "@understudy/contracts";
import { leafPaths, valueAt } from "../settings-path.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { moment } from "./units.ts";

/** A text as it is, everything else as JSON. */
export const renderValue = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

export function renderConfiguration(
  current: VersionedSettings,
  defaults: ClusterSettings,
  now: number,
  style: Style,
): string {
  const { bold, dim } = style.colours;
  const rows = leafPaths(current.settings).map((path) => {
    const value = renderValue(valueAt(current.settings, path));
    const standard = renderValue(valueAt(defaults, path));
    return value === standard ? [path, value, dim("default")] : [path, bold(value), `default: ${standard}`];
  });
  return [
    `${bold(`version ${current.version}`)}${dim(" · ")}${changed(current, now)}${dim(" · ")}term ${current.term}`,
    "",
    renderTable(style, [{ title: "SETTING" }, { title: "VALUE" }, { title: "" }], rows),
  ].join("\n");
}

/** Settings that nobody ever changed carry the beginning of time. */
function changed({ changedAt, changedBy }: VersionedSettings, now: number): string {
  const at = Date.parse(changedAt);
  return at > 0 ? `changed ${moment(at, now)} by ${changedBy}` : "never changed";
}

/** Every value that a change changed. */
export function renderChange(before: VersionedSettings, after: VersionedSettings, style: Style): string {
  const paths = new Set([...leafPaths(before.settings), ...leafPaths(after.settings)]);
  const at = (settings: ClusterSettings, path: string) =>
    leafPaths(settings).includes(path) ? renderValue(valueAt(settings, path)) : "absent";
  const changes = [...paths]
    .map((path) => ({ path, old: at(before.settings, path), next: at(after.settings, path) }))
    .filter(({ old, next }) => old !== next)
    .map(({ path, old, next }) => `${path}: ${old} → ${style.colours.bold(next)}`);
  if (changes.length === 0) return `Nothing to change: version ${before.version} has these values already.`;
  return [...changes, `Version ${before.version} → ${after.version}.`].join("\n");
}
