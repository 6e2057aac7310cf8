import { formatLogPosition, parseControlFile, parseLogPosition } from "./control-file.ts";

function controlFile(state: number, version = 1_800): Buffer {
  const bytes = Buffer.alloc(8_192);
  bytes.writeBigUInt64LE(7_500_000_000_000_000_001n, 0);
  bytes.writeUInt32LE(version, 8);
  bytes.writeInt32LE(state, 16);
  bytes.writeBigUInt64LE(0x0000_0001_0300_0028n, 32);
  bytes.writeUInt32LE(3, 48);
  return bytes;
}

describe("a control file", () => {
  it("tells which database it is, how it ended and where", () => {
    expect(parseControlFile(controlFile(1))).toEqual({
      systemIdentifier: "7500000000000000001",
      state: "shut-down",
      checkpointAt: parseLogPosition("1/3000028"),
      timeline: 3,
    });
  });
  it("is refused when it is of another version, cut short or damaged", () => {
    expect(() => parseControlFile(controlFile(1, 7))).toThrow(/version 7/);
    expect(() => parseControlFile(controlFile(42))).toThrow(/state/);
    expect(() => parseControlFile(Buffer.alloc(10))).toThrow(/short/);
  });
});

describe("a position in the log", () => {
  it.each(["0/0", "0/3000148", "16/B374D848", "FFFFFFFF/FFFFFFFF"])("%s is read and written alike", (text) => {
    expect(formatLogPosition(parseLogPosition(text))).toBe(text);
  });
  it("is ordered as the log is", () => {
    expect(parseLogPosition("1/0") > parseLogPosition("0/FFFFFFFF")).toBe(true);
  });
  it("is refused in any other form", () => {
    expect(() => parseLogPosition("3000148")).toThrow(SyntaxError);
  });
});
