import { atLeast, inOrderOfTime, parseLogLine, type LogEntry } from "./log-entry.ts";

describe("a line of a log", () => {
  it("of one of our services", () => {
    const line =
      '{"level":40,"time":"2026-01-31T12:00:00.123Z","service":"app-server","id":"app-server-a","machine":"machine-a","msg":"slow","ms":12}';
    expect(parseLogLine(line, "app-server-a")).toEqual({
      at: Date.parse("2026-01-31T12:00:00.123Z"),
      level: "warn",
      id: "app-server-a",
      message: "slow",
      fields: { ms: 12 },
    });
  });

  it("of nats-server, in local time", () => {
    const entry = parseLogLine("[77] 2026/01/31 12:00:00.123456 [ERR] no quorum", "nats-a");
    expect(entry).toMatchObject({
      level: "error",
      message: "no quorum",
      at: new Date(2026, 0, 31, 12, 0, 0, 123).getTime(),
    });
  });

  it("of PostgreSQL, with and without an application's name, in UTC", () => {
    const at = Date.parse("2026-01-31T12:00:00.123Z");
    expect(parseLogLine("2026-01-31 12:00:00.123 UTC [9]  LOG:  ready", "postgres-a")).toMatchObject({
      at,
      level: "info",
      message: "ready",
    });
    expect(
      parseLogLine("2026-01-31 12:00:00.123 UTC [9] understudy:app-server-a:1 FATAL:  ending it", "postgres-a"),
    ).toMatchObject({ at, level: "error", message: "ending it" });
    expect(parseLogLine("2026-01-31 12:00:00.123 UTC [9] x STATEMENT:  SELECT 1", "p").message).toBe(
      "STATEMENT: SELECT 1",
    );
  });

  it.each(["plain words", '{"half', "[1] not nats"])("of anything else stays as it is: %s", (line) => {
    expect(parseLogLine(line, "x")).toEqual({ level: "info", id: "x", message: line, fields: {} });
  });
});

describe("lines of several logs", () => {
  const entry = (id: string, message: string, at?: number): LogEntry => ({
    id,
    message,
    level: "info",
    fields: {},
    ...(at !== undefined && { at }),
  });

  it("are merged by time, and a line without a time stays behind the one before it", () => {
    const merged = inOrderOfTime([
      [entry("a", "first", 1), entry("a", "stack of first"), entry("a", "fourth", 4)],
      [entry("b", "second", 2), entry("b", "third", 3)],
    ]);
    expect(merged.map(({ message }) => message)).toEqual(["first", "stack of first", "second", "third", "fourth"]);
  });

  it("are kept from a level upward", () => {
    expect(atLeast({ ...entry("a", "x"), level: "error" }, "warn")).toBe(true);
    expect(atLeast(entry("a", "x"), "warn")).toBe(false);
  });

  it("takes what a keeper wrote down of its PostgreSQL for that PostgreSQL's own words", () => {
    const line = (msg: string) =>
      JSON.stringify({ level: 30, time: 1, id: "db-keeper-a", postgres: "postgres-a", msg });
    expect(parseLogLine(line("2026-01-31 12:00:00.123 UTC [7] x FATAL:  the end"), "db-keeper-a")).toEqual({
      at: Date.parse("2026-01-31T12:00:00.123Z"),
      level: "error",
      id: "postgres-a",
      message: "the end",
      fields: {},
    });
    expect(parseLogLine(line("more of it"), "db-keeper-a")).toMatchObject({ id: "postgres-a", message: "more of it" });
  });
});
