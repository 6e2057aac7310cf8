import type { ControlAction } from "@understudy/contracts";
import { machineIds, processIds, requireKnown } from "../access/targets.ts";
import type { CommandContext } from "../command-context.ts";

/** kill, start, freeze, thaw, cut, heal: asked of the supervisor, with names checked first. */
export async function controlProcess(
  context: CommandContext,
  action: ControlAction,
  target: string,
  stay: boolean,
): Promise<void> {
  const cluster = context.cluster();
  const run = cluster.run();
  if (action === "cut" || action === "heal") requireKnown("machine", target, machineIds(run));
  else requireKnown("process or machine", target, [...processIds(run), ...machineIds(run)]);
  const reply = await cluster.control(action, target, stay);
  context.output.show(reply, () => reply.message);
}
