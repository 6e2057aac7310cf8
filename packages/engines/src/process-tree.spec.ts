import { descendants, parseStat, signalTree } from "./process-tree.ts";

describe("parseStat", () => {
  it("reads past names with brackets, blanks and line breaks", () => {
    expect(parseStat("42 (node) S 7 42 7 0 -1")).toEqual({ pid: 42, state: "S", parent: 7 });
    expect(parseStat("42 (a) R 1 (b\n) Z 9 42 7")).toEqual({ pid: 42, state: "Z", parent: 9 });
    expect(parseStat("")).toBeUndefined();
  });
});

describe("descendants", () => {
  const entries = [
    { pid: 1, parent: 0, state: "S" },
    { pid: 10, parent: 1, state: "S" },
    { pid: 30, parent: 20, state: "S" },
    { pid: 20, parent: 10, state: "S" },
    { pid: 21, parent: 10, state: "Z" },
    { pid: 99, parent: 1, state: "S" },
  ];
  it("are the process and all below it, parents before children, without the dead and without strangers", () => {
    expect(descendants(10, entries)).toEqual([10, 20, 30]);
  });
  it("are none when the process is gone or a zombie", () => {
    expect(descendants(11, entries)).toEqual([]);
    expect(descendants(21, entries)).toEqual([]);
  });
});

describe("signalTree", () => {
  it.each([0, 1, -1, 1.5, Number.NaN])("refuses %p, which would reach far more than one process", (pid) => {
    expect(() => signalTree(pid, "SIGKILL")).toThrow(RangeError);
  });
});
