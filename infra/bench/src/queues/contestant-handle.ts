/** The bench's end of a contestant's process. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { registered } from "@understudy/testkit";
import type { Target } from "./adapter.ts";
import type { Order } from "./contestant-process.ts";

interface Waiter {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

export class ContestantHandle {
  readonly #waiters = new Map<number, Waiter>();
  #last = 0;

  private constructor(
    private readonly child: ChildProcess,
    readonly name: string,
    readonly exited: Promise<void>,
  ) {
    child.on("message", ({ id, answer, error }: { id: number; answer?: never; error?: string }) => {
      const waiter = this.#waiters.get(id);
      this.#waiters.delete(id);
      if (error === undefined) waiter?.resolve(answer as never);
      else waiter?.reject(new Error(`${name}: ${error}`));
    });
    void exited.then(() => {
      for (const waiter of this.#waiters.values()) waiter.reject(new Error(`${name}: its process has ended`));
    });
  }

  /** All contestants run in the same Node. */
  static start(node: string, name: string, target: Target): ContestantHandle {
    const module = fileURLToPath(new URL("./contestant-process.js", import.meta.url));
    const child = fork(module, [name, JSON.stringify(target)], {
      execPath: node,
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const exited = once(child, "exit").then(() => undefined);
    registered({ pid: child.pid, exited: exited as never });
    return new ContestantHandle(child, name, exited);
  }

  ask<Answer = void>(order: Order, withinMs = 180_000): Promise<Answer> {
    const id = ++this.#last;
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: "${order.order}" took too long`)), withinMs);
      this.#waiters.set(id, {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.child.send({ id, order });
    });
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
