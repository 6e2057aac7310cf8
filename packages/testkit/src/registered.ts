/** The one reaper of this test process; everything that the testkit starts is registered with it. */
import { Reaper, type EngineProcess } from "@understudy/engines";

export const reaper = new Reaper();

/** Watches a process until it ends. */
export function registered<Running extends Pick<EngineProcess, "pid" | "exited">>(process: Running): Running {
  const { pid } = process;
  if (pid !== undefined) {
    reaper.watch(pid);
    void process.exited.then(() => reaper.release(pid));
  }
  return process;
}
