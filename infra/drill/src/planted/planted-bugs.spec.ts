import { existsSync } from "node:fs";
import { join } from "node:path";
import { plantedBugs } from "./planted-bugs.ts";
import { plantedText } from "./planted-tree.ts";

const repository = join(import.meta.dirname, "../../../..");

/** Seconds, where the run with the bugs in place takes minutes: a change of the code shows here that a bug moved away. */
describe.each(plantedBugs.map((bug) => [bug.name, bug] as const))("%s", (_name, bug) => {
  it("fits the code as it stands", () => {
    expect(plantedText(bug)).not.toContain(bug.right);
  });

  it("names tests that exist", () => {
    expect(existsSync(join(repository, bug.test.path))).toBe(true);
  });
});
