import { tellingLine } from "./log-file.ts";

const line = (level: number, msg: string, err?: string) =>
  JSON.stringify({ level, msg, ...(err !== undefined && { err: { message: err } }) });

describe("the telling line of a log", () => {
  it("is the last error, with its reason", () => {
    const text = [line(30, "starting"), line(60, "the start failed", "no port"), line(30, "stopped")].join("\n");
    expect(tellingLine(text)).toBe("the start failed: no port");
  });

  it("is the last line where nothing is an error", () => {
    expect(tellingLine(`${line(30, "starting")}\n${line(40, "waiting for NATS")}\n\n`)).toBe("waiting for NATS");
  });

  it("is found in plain text too", () => {
    expect(tellingLine("LOG: hello\nFATAL:  data directory is locked\nLOG: bye\n")).toBe(
      "FATAL:  data directory is locked",
    );
    expect(tellingLine("")).toBe("");
  });
});
