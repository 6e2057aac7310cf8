import { duration, moment, parseDuration, size } from "./units.ts";

describe("units", () => {
  it.each([
    [0.4, "0.4 ms"],
    [31, "31 ms"],
    [1_250, "1.3 s"],
    [42_000, "42 s"],
    [720_000, "12 min"],
    [5_400_000, "1 h 30 min"],
    [180_000_000, "2 d 2 h"],
    [-31, "-31 ms"],
  ])("%d ms reads as %s", (ms, words) => expect(duration(ms)).toBe(words));

  it.each([
    [512, "512 B"],
    [1_500, "1.5 KB"],
    [94_000_000, "94 MB"],
    [2_300_000_000, "2.3 GB"],
  ])("%d bytes read as %s", (bytes, words) => expect(size(bytes)).toBe(words));

  it.each([
    ["500ms", 500],
    ["90s", 90_000],
    ["5m", 300_000],
    ["1.5h", 5_400_000],
    ["1d", 86_400_000],
    ["5", undefined],
    ["soon", undefined],
  ])("the duration %s is %s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it("gives the date only when it is not today's", () => {
    const now = new Date(2026, 0, 31, 12).getTime();
    expect(moment(now - 1_000, now)).toBe("11:59:59.000");
    expect(moment(now - 86_400_000, now)).toBe("2026-01-30 12:00:00.000");
  });
});
