/** What an operator does to processes and machines: kill, start, freeze, thaw, cut, heal. */
import type { ControlAction, ControlReply } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";
import type { MachineCuts } from "./machine-cuts.ts";
import type { Supervised } from "./supervised.ts";
import type { Supervisor } from "./supervisor.ts";

const exitMs = 5_000;
const cutMs = 2_000;

interface Target {
  readonly processes: readonly Supervised[];
  readonly isMachine: boolean;
}

export class ClusterControl {
  constructor(
    private readonly supervisor: Supervisor,
    private readonly cuts: MachineCuts,
    private readonly machines: readonly string[],
  ) {}

  /**
   * Resolves when it is done: who was killed is gone, a cut holds; what was started only starts.
   * @throws CallerError `unknown-instance` naming the known targets, or `invalid-request`.
   */
  async act(action: ControlAction, target: string, stay: boolean): Promise<ControlReply> {
    const { processes, isMachine } = this.#find(target);
    switch (action) {
      case "kill":
        return this.#kill(processes, target, stay);
      case "start":
        return reply(
          processes.filter((each) => each.start()),
          "starts",
          `nothing of ${target} was down`,
        );
      case "freeze":
        return reply(
          processes.filter((each) => each.freeze()),
          "frozen",
          `nothing of ${target} was running`,
        );
      case "thaw":
        return reply(
          processes.filter((each) => each.thaw()),
          "thawed",
          `nothing of ${target} was frozen`,
        );
      case "cut":
      case "heal":
        if (!isMachine) {
          throw new CallerError(
            "invalid-request",
            `Only machines can be cut and healed, and ${target} is none: ${this.machines.join(", ")}.`,
          );
        }
        return this.#cut(target, action === "cut");
    }
  }

  #find(target: string): Target {
    if (this.machines.includes(target)) {
      return {
        isMachine: true,
        processes: this.supervisor.processes.filter(({ program }) => program.machine === target),
      };
    }
    const process = this.supervisor.process(target);
    if (process) return { isMachine: false, processes: [process] };
    const known = [...this.machines, ...this.supervisor.processes.map(({ id }) => id)];
    throw new CallerError("unknown-instance", `There is no ${target} here. Known: ${known.join(", ")}.`);
  }

  async #kill(processes: readonly Supervised[], target: string, stay: boolean): Promise<ControlReply> {
    // Those with a tree take longer (their children are looked up), so they come last: the others die together.
    const inOrder = [...processes].sort(
      (one, other) => Number(one.program.startsOthers) - Number(other.program.startsOthers),
    );
    const gone = Promise.all(processes.map((each) => each.ended()));
    const killed = inOrder.filter((each) => each.kill(stay));
    await inTime(gone, exitMs);
    const outcome = stay ? "killed; down until started" : "killed; starts again soon";
    return reply(killed, outcome, `nothing of ${target} was running`);
  }

  async #cut(machine: string, cut: boolean): Promise<ControlReply> {
    if (!this.cuts.set(machine, cut)) {
      return { affected: [], message: `${machine} was ${cut ? "cut off" : "connected"} already.` };
    }
    await this.cuts.applied(cutMs);
    return {
      affected: [machine],
      message: cut ? `${machine} is cut off from the other machines.` : `${machine} is connected again.`,
    };
  }
}

function reply(affected: readonly Supervised[], outcome: string, otherwise: string): ControlReply {
  const ids = affected.map(({ id }) => id).sort();
  return { affected: ids, message: ids.length > 0 ? `${ids.join(", ")}: ${outcome}.` : `Nothing to do: ${otherwise}.` };
}

async function inTime(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
