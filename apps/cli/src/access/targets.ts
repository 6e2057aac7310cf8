/** Names that an operator types: what is known, and what was probably meant. */
import type { RunFile } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";

/** Number of inserted, dropped, changed or swapped letters (Damerau, adjacent swaps). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (rows[i - 1]?.[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** The known names that `given` was probably meant to be: those that are equally near, and near enough. */
export function nearest(known: readonly string[], given: string): string[] {
  const wanted = given.toLowerCase();
  const near = known
    .map((name) => ({ name, distance: distanceOf(name.toLowerCase(), wanted) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 4)));
  const least = Math.min(...near.map(({ distance }) => distance));
  return near
    .filter(({ distance }) => distance === least)
    .map(({ name }) => name)
    .sort()
    .slice(0, 3);
}

/** The beginning of a name is nearer than any other name with a fault, but not as near as the name itself. */
const distanceOf = (name: string, wanted: string): number =>
  wanted !== "" && name !== wanted && name.startsWith(wanted) ? 0.5 : editDistance(wanted, name);

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;

/** The error for a name nobody has: what was meant, what there is. */
export function unknownName(what: string, given: string, known: readonly string[]): CallerError {
  const meant = nearest(known, given);
  return new CallerError(
    "unknown-instance",
    `There is no ${what} "${given}".${meant.length > 0 ? ` Did you mean ${listed(meant)}?` : ""} Known: ${known.join(", ") || "none"}.`,
  );
}

export function requireKnown(what: string, given: string, known: readonly string[]): void {
  if (!known.includes(given)) throw unknownName(what, given, known);
}

export const machineIds = (run: RunFile): string[] => run.machines.map(({ id }) => id);
export const processIds = (run: RunFile): string[] => run.processes.map(({ id }) => id);
