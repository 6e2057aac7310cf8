import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

describe("the entry of npx understudy", () => {
  it("says in one sentence what to do when nothing is built yet", () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-cli-"));
    try {
      cpSync(join(import.meta.dirname, "..", "bin"), join(folder, "bin"), { recursive: true });
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(folder, "bin", "understudy.mjs"), "status"],
        {
          encoding: "utf8",
        },
      );
      expect(status).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toContain("run npm start (or npm run build) first");
      expect(stderr.trim().split("\n")).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
