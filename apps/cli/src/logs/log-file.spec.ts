import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFile } from "./log-file.ts";

describe("a log file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-cli-"));
    path = join(folder, "x.log");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const everything = () => false;

  it("that is not there has no lines, and brings them once it is", async () => {
    const file = new LogFile("x", path);
    expect(await file.readTail(everything)).toEqual([]);
    expect(await file.readNew()).toEqual([]);
    writeFileSync(path, "one\n");
    expect(await file.readNew()).toEqual(["one"]);
  });

  it("is read backwards no further than needed, in whole lines", async () => {
    const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at} ${"ö".repeat(20)}`);
    writeFileSync(path, `${lines.join("\n")}\n`);
    const tail = await new LogFile("x", path).readTail((read) => read.length >= 10);
    expect(tail.length).toBeGreaterThanOrEqual(10);
    expect(tail.length).toBeLessThan(lines.length);
    expect(tail).toEqual(lines.slice(-tail.length));
    expect(await new LogFile("x", path).readTail(everything)).toEqual(lines);
  });

  it("gives what is appended, once, and a half-written line only when it is whole", async () => {
    writeFileSync(path, "one\ntw");
    const file = new LogFile("x", path);
    expect(await file.readTail(everything)).toEqual(["one"]);
    appendFileSync(path, "o\nthr");
    expect(await file.readNew()).toEqual(["two"]);
    appendFileSync(path, "ee\n");
    expect(await file.readNew()).toEqual(["three"]);
    expect(await file.readNew()).toEqual([]);
  });

  it("that was begun anew is read from its start", async () => {
    writeFileSync(path, "a long line of an old cluster\n");
    const file = new LogFile("x", path);
    await file.readTail(everything);
    writeFileSync(path, "new\n");
    expect(await file.readNew()).toEqual(["new"]);
  });

  it("that was moved aside for a longer one is read from its start", async () => {
    writeFileSync(path, "old\n");
    const file = new LogFile("x", path);
    await file.readTail(everything);
    renameSync(path, `${path}.1`);
    writeFileSync(path, "a longer new line\n");
    expect(await file.readNew()).toEqual(["a longer new line"]);
  });
});
