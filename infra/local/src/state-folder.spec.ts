import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateFolder } from "./state-folder.ts";

describe("the format of the data", () => {
  const path = mkdtempSync(join(tmpdir(), "state-folder-"));
  const folder = new StateFolder(path);
  beforeEach(() => {
    folder.clear();
  });
  afterAll(() => rmSync(path, { recursive: true, force: true }));

  it("is marked in a fresh folder and then known", () => {
    folder.claimFormat();
    writeFileSync(join(folder.data, "something"), "");
    expect(() => folder.claimFormat()).not.toThrow();
  });

  it("of an older version is refused in a sentence that says what to do, until it is cleared", () => {
    mkdirSync(join(folder.data, "postgres-a"));
    expect(() => folder.claimFormat()).toThrow(/older version.*npm start -- --fresh/);
    folder.clear();
    expect(() => folder.claimFormat()).not.toThrow();
  });

  it("of a newer version is refused too", () => {
    writeFileSync(join(folder.data, "format"), "99\n");
    expect(() => folder.claimFormat()).toThrow(/format 99/);
  });
});
