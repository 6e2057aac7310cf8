import type { Check } from "../doctor/finding.ts";
import type { Style } from "./style.ts";

const nameWidth = 16;

/** Each check with a mark; under it what is wrong and, after an arrow, what to do. */
export function renderChecks(checks: readonly Check[], style: Style): string {
  const { green, red, bold, dim, cyan } = style.colours;
  const lines = checks.flatMap(({ name, looked, findings }) => {
    const isGood = findings.length === 0;
    return [
      `${isGood ? green("✔") : red("✘")} ${bold(name.padEnd(nameWidth))}${dim(looked)}`,
      ...findings.flatMap(({ subject, problem, remedy }) => [
        `    ${red(subject)} ${problem}`,
        `      ${cyan(`→ ${remedy}`)}`,
      ]),
    ];
  });
  const count = checks.reduce((sum, { findings }) => sum + findings.length, 0);
  const verdict =
    count === 0 ? green("Nothing is wrong.") : red(`${count} ${count === 1 ? "thing is" : "things are"} wrong.`);
  return [...lines, "", verdict].join("\n");
}
