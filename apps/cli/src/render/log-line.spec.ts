import { parseLogLine } from "../logs/log-entry.ts";
import { noon } from "../testing/example-cluster.ts";
import { logData, renderLogEntry } from "./log-line.ts";
import { plainStyle } from "./style.ts";

const entry = parseLogLine(
  JSON.stringify({
    level: 50,
    time: noon,
    msg: "failed",
    port: 1,
    err: { message: "no", stack: "Error: no\n    at x" },
  }),
  "app-server-a",
);

describe("a rendered line of a log", () => {
  it("has time, level, id, message and fields in one line, and a stack below", () => {
    const [first, ...rest] = renderLogEntry(entry, noon, plainStyle).split("\n");
    expect(first).toMatch(/^\d\d:\d\d:\d\d\.000 ERROR app-server-a {8}failed port=1$/);
    expect(rest).toEqual(["    err: Error: no", "        at x"]);
  });

  it("is one stable object for scripts", () => {
    expect(logData(entry)).toEqual({
      time: "2026-01-31T12:00:00.000Z",
      level: "error",
      id: "app-server-a",
      message: "failed",
      fields: { port: 1, err: { message: "no", stack: "Error: no\n    at x" } },
    });
    expect(logData(parseLogLine("words", "x"))).toEqual({ time: null, level: "info", id: "x", message: "words" });
  });
});
