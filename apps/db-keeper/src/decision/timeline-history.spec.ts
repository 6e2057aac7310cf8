import { parseLogPosition } from "@understudy/engines";
import { historyFileName, isPartOf } from "./timeline-history.ts";

const history = "1\t0/3000148\tno recovery target specified\n2\t0/5000000\tno recovery target specified\n";
const data = (timeline: number, checkpointAt: string) => ({ timeline, checkpointAt: parseLogPosition(checkpointAt) });

describe("isPartOf", () => {
  it("holds when the new timeline begins after the last record", () => {
    expect(isPartOf(history, data(1, "0/30000D0"))).toBe(true);
    expect(isPartOf(history, data(2, "0/4FFFF88"))).toBe(true);
  });
  it("does not hold when the log goes on beyond that, or its timeline is unknown", () => {
    expect(isPartOf(history, data(1, "0/3000148"))).toBe(false);
    expect(isPartOf(history, data(1, "1/0"))).toBe(false);
    expect(isPartOf(history, data(3, "0/10"))).toBe(false);
    expect(isPartOf("", data(1, "0/10"))).toBe(false);
  });
  it("names the file as PostgreSQL does", () => {
    expect(historyFileName(26)).toBe("pg_wal/0000001A.history");
  });
});
