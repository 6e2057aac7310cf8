import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runFile, type RunFile } from "@understudy/contracts";
import { eventually, registered, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { birthOf } from "../src/process-birth.ts";
import { repository } from "../src/programs.ts";

/** What `npm start` runs once everything is built. */
const source = `import("${join(repository, "infra/local/dist/main.js")}").then(({ main }) => main(process.argv.slice(1)))`;
const startMs = 120_000;

class Launcher {
  readonly lines: string[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #errors: string[] = [];

  constructor(
    private readonly stateDir: string,
    ...args: readonly string[]
  ) {
    this.#child = spawn(process.execPath, ["-e", source, "--", ...args], {
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], UNDERSTUDY_STATE_DIR: stateDir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const [stream, lines] of [
      [this.#child.stdout, this.lines],
      [this.#child.stderr, this.#errors],
    ] as const) {
      if (stream) createInterface({ input: stream }).on("line", (line) => lines.push(line));
    }
    this.exited = new Promise((resolve) => this.#child.once("close", (code, signal) => resolve({ code, signal })));
    registered({ pid: this.#child.pid, exited: this.exited });
  }

  get run(): RunFile {
    return runFile.parse(JSON.parse(readFileSync(join(this.stateDir, "run.json"), "utf8")));
  }
  get errors(): string {
    return this.#errors.join("\n");
  }

  /** The one URL, as the last line of the start tells it. */
  async ready(): Promise<string> {
    const line = await eventually(() => this.lines.find((each) => each.startsWith("Understudy is ready")), {
      withinMs: startMs,
      describe: `ready; so far:\n${this.lines.join("\n")}\n${this.errors}`,
    });
    expect(line).toBe(this.lines.at(-1));
    return line.replace("Understudy is ready: ", "");
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

const isGone = (pid: number) => birthOf(pid) === undefined;
const pidsOf = (run: RunFile) => [
  run.supervisor.pid,
  ...run.processes.flatMap(({ pid }) => (pid === null ? [] : [pid])),
];

describe("npm start", () => {
  let folder: TemporaryFolder;
  beforeEach(() => {
    folder = temporaryFolder("launcher");
  });
  afterEach(() => folder.remove());

  it(
    "serves orders through the one URL, leaves nothing when it is killed, and goes on with its data when it is started again",
    async () => {
      const first = new Launcher(folder.path, "--port", "0", "--no-color");
      const url = await first.ready();
      expect(first.run.urls.loadBalancer).toBe(url);
      expect(first.run.processes.every(({ state }) => state === "running")).toBe(true);
      const customers = (await (await fetch(`${url}/api/customers?limit=1`)).json()) as { items: { id: string }[] };
      const items = (await (await fetch(`${url}/api/items?limit=1`)).json()) as { items: { id: string }[] };
      const order = await fetch(`${url}/api/orders`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "launcher-test-1" },
        body: JSON.stringify({
          customerId: customers.items[0]?.id,
          positions: [{ itemId: items.items[0]?.id, quantity: 1 }],
        }),
      });
      expect(order.status).toBe(201);

      const pids = pidsOf(first.run);
      expect(pids.length).toBe(20);
      first.signal("SIGKILL");
      await first.exited;
      await eventually(() => pids.every(isGone), { describe: "all gone after kill -9", withinMs: 20_000 });

      const second = new Launcher(folder.path, "--port", "0");
      const secondUrl = await second.ready();
      const found = (await (await fetch(`${secondUrl}/api/orders?key=launcher-test-1`)).json()) as { items: unknown[] };
      expect(found.items).toHaveLength(1);
      const third = new Launcher(folder.path);
      expect(await third.exited).toEqual({ code: 1, signal: null });
      expect(third.errors).toBe(
        `Understudy runs already in this folder (process ${second.run.supervisor.pid}). Stop it with Ctrl-C or: kill ${second.run.supervisor.pid}`,
      );

      const secondPids = pidsOf(second.run);
      second.signal("SIGTERM");
      expect(await second.exited).toEqual({ code: 0, signal: null });
      expect(second.lines.at(-1)).toBe("Understudy is stopped.");
      expect(secondPids.filter((pid) => !isGone(pid))).toEqual([]);
      expect(existsSync(join(folder.path, "run.json"))).toBe(false);
    },
    3 * startMs,
  );

  it(
    "ends in the middle of its start too, and a second Ctrl-C ends everything at once",
    async () => {
      const launcher = new Launcher(folder.path, "--port", "0");
      await eventually(() => launcher.lines.some((line) => line.includes("message-server-a")), { withinMs: 30_000 });
      const pids = pidsOf(launcher.run);
      launcher.signal("SIGINT");
      await eventually(() => launcher.lines.some((line) => line.startsWith("Stopping")));
      launcher.signal("SIGINT");
      // npm passes on what the terminal sent already; only what comes later counts as a second one.
      const again = setInterval(() => launcher.signal("SIGINT"), 600);
      expect(await launcher.exited).toEqual({ code: 0, signal: null });
      clearInterval(again);
      await eventually(() => pids.every(isGone), { describe: "all gone" });
    },
    startMs,
  );

  it("refuses what it does not know", async () => {
    const launcher = new Launcher(folder.path, "--fresj");
    expect(await launcher.exited).toEqual({ code: 2, signal: null });
    expect(launcher.errors).toMatch(/'--fresj'.*Known: --fresh/);
    expect(existsSync(join(folder.path, "run.json"))).toBe(false);
  });
});
