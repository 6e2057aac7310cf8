/**
 * All processes of the cluster: starts them, hears what they say, stops them in order.
 *
 * It owns one SupervisedProcess per program (and a SupervisedEngine for what that runs), and what services told over their channel (`ServiceFacts`), which is
 * forgotten when the process ends: an incarnation names one life. It tells of
 * - `spawned`, `state`: a process has a new child, or changed its state,
 * - `ended`: a process ended, with its incarnation where one was known,
 * - `facts`: a service told something new about itself,
 * - `pong`: a service answered a ping,
 * - `other`: a process said something that is not for supervisors in general (the network).
 */
import { EventEmitter } from "node:events";
import { childMessage, type ChildMessage, type ProcessKind } from "@understudy/contracts";
import { LogFile } from "./log-file.ts";
import type { ProcessEnding, ProcessState, Supervised } from "./supervised.ts";
import { SupervisedEngine } from "./supervised-engine.ts";
import { SupervisedProcess, type Program } from "./supervised-process.ts";

export interface ServiceFacts {
  readonly incarnation?: string;
  readonly url?: string;
  readonly opsUrl?: string;
  readonly acceptsConnections?: boolean;
}

export interface ProcessExit extends ProcessEnding {
  readonly incarnation: string | undefined;
}

interface SupervisorEvents {
  spawned: [Supervised, number];
  state: [Supervised, ProcessState];
  ended: [Supervised, ProcessExit];
  facts: [SupervisedProcess, ServiceFacts];
  pong: [SupervisedProcess];
  other: [SupervisedProcess, unknown];
}

/** Who goes first loses nothing: each still has what it needs of the others while it stops. */
const stopOrder: readonly (readonly ProcessKind[])[] = [
  ["load-balancer"],
  ["app-server"],
  ["message-server"],
  ["heartbeat-monitor", "db-pool"],
  ["db-keeper", "postgres"],
  ["nats", "network"],
];

function factsIn(message: ChildMessage): ServiceFacts {
  switch (message.type) {
    case "incarnation":
      return { incarnation: message.incarnation };
    case "started":
      return { opsUrl: message.opsUrl };
    case "serving":
      return { url: message.url };
    case "accepts-connections":
      return { acceptsConnections: message.accepts };
    case "engine":
    case "pong":
      return {};
  }
}

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly processes: readonly Supervised[];
  readonly #facts = new Map<string, ServiceFacts>();

  constructor(programs: readonly Program[], logDir: string) {
    super();
    this.processes = programs.flatMap((program) => {
      const supervised = this.#supervised(program, logDir);
      if (program.engine === undefined) return [supervised];
      const engine = new SupervisedEngine(program.engine, supervised);
      this.#listen(engine);
      return [supervised, engine];
    });
  }

  start(): void {
    for (const each of this.processes) each.start();
  }

  process(id: string): Supervised | undefined {
    return this.processes.find((each) => each.id === id);
  }

  facts(id: string): ServiceFacts {
    return this.#facts.get(id) ?? {};
  }

  /** Each kind gets `timeoutMs` to drain before it is killed. */
  async stop(timeoutMs: number): Promise<void> {
    // A leader that hands over to somebody who stops next only makes the others take over once more.
    for (const each of this.processes) if (each.program.kind === "db-keeper") each.send({ type: "cluster-stops" });
    // Nobody is to be started again while others are asked to stop.
    for (const each of this.processes) if (each.pid === null) void each.stop(timeoutMs);
    for (const kinds of stopOrder) {
      const stopping = this.processes.filter(({ program }) => kinds.includes(program.kind));
      await Promise.all(stopping.map((each) => each.stop(timeoutMs)));
    }
  }

  /** kill -9 for all, now. */
  killAll(): void {
    for (const each of this.processes) each.kill(true);
  }

  #supervised(program: Program, logDir: string): SupervisedProcess {
    const supervised = new SupervisedProcess(program, new LogFile(logDir, program.id));
    supervised.on("message", (message) => this.#heard(supervised, message));
    this.#listen(supervised);
    return supervised;
  }

  #listen(supervised: Supervised): void {
    supervised.on("spawned", (pid) => this.emit("spawned", supervised, pid));
    supervised.on("state", (state) => this.emit("state", supervised, state));
    supervised.on("ended", (ending) => {
      const { incarnation } = this.facts(supervised.id);
      this.#facts.delete(supervised.id);
      this.emit("ended", supervised, { ...ending, incarnation });
    });
  }

  #heard(supervised: SupervisedProcess, message: unknown): void {
    const { success, data } = childMessage.safeParse(message);
    if (!success) return void this.emit("other", supervised, message);
    if (data.type === "pong") return void this.emit("pong", supervised);
    if (data.type === "engine") return;
    const facts = { ...this.facts(supervised.id), ...factsIn(data) };
    this.#facts.set(supervised.id, facts);
    if (data.type === "started") supervised.markReady();
    this.emit("facts", supervised, facts);
  }
}
