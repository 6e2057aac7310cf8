import { clusterStatus, drainServer, resumeServer, type RegisteredServer } from "@understudy/contracts";
import { UnderstudyError } from "@understudy/runtime/errors";
import { unknownName } from "../access/targets.ts";
import type { CommandContext } from "../command-context.ts";

export async function drain(context: CommandContext, id: string, reason: string | undefined): Promise<void> {
  const server = await move(context, drainServer, id, reason);
  context.output.show({ server }, () =>
    server.state === "draining"
      ? `${id} drains: nothing new goes to it, what it has is finished. (understudy resume ${id} takes it back.)`
      : `${id} is ${server.state}.`,
  );
}

export async function resume(context: CommandContext, id: string, reason: string | undefined): Promise<void> {
  const server = await move(context, resumeServer, id, reason);
  context.output.show({ server }, () =>
    server.state === "accepting" ? `${id} takes requests again.` : `${id} is ${server.state}.`,
  );
}

async function move(
  context: CommandContext,
  contract: typeof drainServer | typeof resumeServer,
  id: string,
  reason: string | undefined,
): Promise<RegisteredServer> {
  const cluster = context.cluster();
  try {
    return (await cluster.ask(contract, { id, ...(reason !== undefined && { reason }) })).server;
  } catch (error) {
    if (!(error instanceof UnderstudyError) || error.code !== "unknown-instance") throw error;
    const { appServers } = await cluster.ask(clusterStatus, {});
    throw unknownName(
      "app server",
      id,
      appServers.map(({ instance }) => instance.id),
    );
  }
}
