/**
 * One built service in a process of its own, as a supervisor would start it: environment, IPC channel, JSON log.
 *
 * It owns the process from start to exit, once; another life is another ServiceProcess. What the service says over
 * IPC (`childMessage`) is kept: incarnations, ops URL, service URL.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { createInterface } from "node:readline";
import { childMessage, type ChildMessage, type SupervisorMessage } from "@understudy/contracts";
import { signalTree, type EngineExit } from "@understudy/engines";
import { registered } from "./registered.ts";

export interface ServiceProcessOptions {
  /** A package, such as `@understudy/message-server` (its `dist/main.js`), or the path of a script. */
  readonly service: string;
  /** Its whole environment but PATH. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly level?: number;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

const keptLines = 5_000;

function logLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}

/** The script of a service's build. @throws Error that says what to do when there is none. */
export function builtMain(service: string): string {
  if (isAbsolute(service)) return service;
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(`${service}/package.json`);
  } catch (cause) {
    throw new Error(`There is no package ${service} that exports its package.json.`, { cause });
  }
  const path = join(dirname(manifest), "dist", "main.js");
  if (!existsSync(path)) throw new Error(`${service} is not built: npx turbo run build --filter=${service}`);
  return path;
}

export class ServiceProcess {
  readonly exited: Promise<EngineExit>;
  readonly log: LogLine[] = [];
  readonly messages: ChildMessage[] = [];
  readonly #child: ChildProcess;
  /** Output that is no JSON: crashes, faults of the configuration. */
  readonly #plainOutput: string[] = [];
  /** Those who wait for a message or a log line. */
  readonly #lookers = new Set<() => void>();
  #exit: EngineExit | undefined;
  /** It has ended and all that it said is here. */
  #isSilent = false;

  private constructor(readonly options: ServiceProcessOptions) {
    this.#child = spawn(process.execPath, ["--enable-source-maps", builtMain(options.service)], {
      env: { PATH: process.env["PATH"] ?? "", UNDERSTUDY_LOG_FORMAT: "json", ...options.environment },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream) createInterface({ input: stream }).on("line", (line) => this.#keep(line));
    this.#child.on("message", (message) => {
      const known = childMessage.safeParse(message);
      if (known.success) this.messages.push(known.data);
      this.#look();
    });
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#exit ??= { code, signal };
        resolve(this.#exit);
        // What it said last may still be on its way, and a child of its may hold the pipe open for long.
        setTimeout(() => this.#nothingMore(), 500).unref();
      };
      this.#child.once("exit", end);
      this.#child.once("close", () => this.#nothingMore());
      this.#child.on("error", (error) => {
        this.#plainOutput.push(error.message);
        if (this.#child.pid === undefined) end(null, null);
      });
    });
  }

  /** Starts the process without waiting for anything. */
  static launch(options: ServiceProcessOptions): ServiceProcess {
    return registered(new ServiceProcess(options));
  }

  /** Starts the process and waits until it said "started". */
  static async start(options: ServiceProcessOptions, withinMs = 30_000): Promise<ServiceProcess> {
    const service = ServiceProcess.launch(options);
    await service.started(withinMs);
    return service;
  }

  /** Resolves when it said "started". @throws with its output when it ends first or does not say so in time. */
  async started(withinMs = 30_000): Promise<void> {
    await this.said("started", withinMs);
  }

  /** The first message of this type, now or when it comes. */
  said<Type extends ChildMessage["type"]>(
    type: Type,
    withinMs = 30_000,
  ): Promise<Extract<ChildMessage, { type: Type }>> {
    return this.#awaited(`said "${type}"`, withinMs, () =>
      this.messages.find((message): message is Extract<ChildMessage, { type: Type }> => message.type === type),
    );
  }

  /** The first log line whose message is `text` or matches it, now or when it comes. */
  logged(text: string | RegExp, withinMs = 30_000): Promise<LogLine> {
    const matches = (line: LogLine) => (typeof text === "string" ? line.msg === text : text.test(line.msg ?? ""));
    return this.#awaited(`logged ${String(text)}`, withinMs, () => this.log.find(matches));
  }

  #awaited<Result>(what: string, withinMs: number, find: () => Result | undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        this.#lookers.delete(look);
        finish();
      };
      const fail = (reason: string) => settle(() => reject(new Error(`${this.name} ${reason}:\n${this.output}`)));
      const look = () => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#isSilent && this.#exit)
          fail(`ended (${this.#exit.signal ?? `code ${this.#exit.code}`}) before it ${what}`);
      };
      const timer = setTimeout(() => fail(`has not ${what} within ${withinMs} ms`), withinMs);
      this.#lookers.add(look);
      look();
    });
  }

  #nothingMore(): void {
    this.#isSilent = true;
    this.#look();
  }

  #look(): void {
    for (const look of this.#lookers) look();
  }

  #keep(line: string): void {
    const entry = logLine(line);
    const kept = entry === undefined ? this.#plainOutput : this.log;
    if (entry === undefined) this.#plainOutput.push(line);
    else this.log.push(entry);
    if (kept.length > keptLines) kept.shift();
    this.#look();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Its id where the environment names one. */
  get name(): string {
    return this.options.environment["UNDERSTUDY_ID"] ?? this.options.service;
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  #latest<Type extends ChildMessage["type"]>(type: Type): Extract<ChildMessage, { type: Type }> | undefined {
    return this.messages.findLast((message): message is Extract<ChildMessage, { type: Type }> => message.type === type);
  }

  /** Where probes reach it; undefined before it said so. */
  get opsUrl(): string | undefined {
    return this.#latest("started")?.opsUrl;
  }

  /** Where users or balancers reach it. */
  get url(): string | undefined {
    return this.#latest("serving")?.url;
  }

  /** The newest one. */
  get incarnation(): string | undefined {
    return this.#latest("incarnation")?.incarnation;
  }

  /** Plain output and the newest log lines, for messages. */
  get output(): string {
    const newest = this.log.slice(-30).map((line) => JSON.stringify(line));
    return [...this.#plainOutput.slice(-30), ...newest].join("\n");
  }

  send(message: SupervisorMessage): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Closes the IPC channel, as the death of a supervisor does. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** SIGTERM; resolves at the exit. */
  async terminate(): Promise<EngineExit> {
    this.thaw();
    this.#signal("SIGTERM");
    return this.exited;
  }

  /** kill -9 with all that it started; resolves at the exit. */
  async kill(): Promise<EngineExit> {
    this.#signal("SIGKILL");
    return this.exited;
  }

  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#exit !== undefined || this.#child.pid === undefined) return;
    if (signal === "SIGTERM") this.#child.kill(signal);
    else signalTree(this.#child.pid, signal);
  }
}
