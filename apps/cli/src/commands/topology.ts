import type { CommandContext } from "../command-context.ts";
import { renderTopology, topologyOf } from "../render/topology.ts";
import { lookAround } from "./status.ts";

export async function topology(context: CommandContext): Promise<void> {
  const { facts, failure } = await lookAround(context);
  if (failure === undefined || facts.run !== undefined) {
    context.output.show(topologyOf(facts), (style) => renderTopology(facts, style));
  }
  if (failure !== undefined) throw failure;
}
