import { readFileSync } from "node:fs";
import { join } from "node:path";
import { securityTable } from "./security-table.ts";

describe("docs/security.md", () => {
  it("has the permissions of today (run the test's `securityTable` and put it between the two marks)", () => {
    const text = readFileSync(join(import.meta.dirname, "../../../docs/security.md"), "utf8");
    const [, shown] = /<!-- permissions -->\n\n([\s\S]*?)\n\n<!-- end of permissions -->/.exec(text) ?? [];
    expect(shown).toBe(securityTable());
  });
});
