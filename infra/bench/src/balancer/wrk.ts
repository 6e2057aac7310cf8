/** wrk (Debian package `wrk`): load from a process that costs less than what it measures. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export type RequestKind = "get" | "post";

export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Connections refused or broken, answers of 400 and above. */
  readonly errors: number;
  /** Answers that took longer than two seconds. */
  readonly late: number;
}

const script = `
init = function(args)
  if args[1] == "post" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Idempotency-Key"] = "bench"
    wrk.body = string.rep("b", 4096)
  end
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"seconds":%f,"p50Ms":%f,"p99Ms":%f,"maxMs":%f,"errors":%d,"late":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, e.connect + e.read + e.write + e.status, e.timeout))
end
`;

export class Wrk {
  readonly #script: string;

  constructor(folder: string) {
    this.#script = join(folder, "report.lua");
    writeFileSync(this.#script, script);
  }

  run(port: number, seconds: number, kind: RequestKind, connections = 64): Promise<WrkResult> {
    return new Promise((resolve, reject) => {
      const url = `http://127.0.0.1:${port}/`;
      const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-s", this.#script, url, "--", kind];
      const child = spawn("wrk", args, { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.on("error", () => reject(new Error("wrk cannot be started; on Debian: apt-get install wrk")));
      child.on("close", () => {
        const found = /^RESULT (.*)$/m.exec(output);
        if (found) resolve(JSON.parse(found[1] as string) as WrkResult);
        else reject(new Error(`wrk gave no result:\n${output}`));
      });
    });
  }
}
