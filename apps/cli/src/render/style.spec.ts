import { styleOf } from "./style.ts";

const coloured = (environment: Readonly<Record<string, string>>, isTerminal: boolean): boolean =>
  styleOf({ environment, isTerminal, columns: 100 }).colours.red("x") !== "x";

describe("colours", () => {
  it.each([
    ["a terminal has them", {}, true, true],
    ["a pipe has none", {}, false, false],
    ["NO_COLOR turns them off", { NO_COLOR: "1" }, true, false],
    ["an empty NO_COLOR does not", { NO_COLOR: "" }, true, true],
    ["FORCE_COLOR turns them on in a pipe", { FORCE_COLOR: "1" }, false, true],
    ["NO_COLOR is stronger", { FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
    ["a dumb terminal has none", { TERM: "dumb" }, true, false],
  ] as const)("%s", (_claim, environment, isTerminal, expected) => {
    expect(coloured(environment, isTerminal)).toBe(expected);
  });
});
