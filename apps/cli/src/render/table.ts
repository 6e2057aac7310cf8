import CliTable from "cli-table3";
import type { Style } from "./style.ts";

const noBorders = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right"],
    ["bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ]
    .flat()
    .map((part) => [part, ""]),
);

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** Aligned columns without borders, two blanks apart; cells may be coloured. */
export function renderTable(style: Style, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new CliTable({
    chars: noBorders,
    colAligns: columns.map(({ align }) => align ?? "left"),
    style: { "padding-left": 0, "padding-right": 2, head: [], border: [], compact: true },
  });
  table.push(columns.map(({ title }) => style.colours.dim(title)));
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
