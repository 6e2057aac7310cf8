/** `queues`, `services`, `schedules`. */
import { setQueuePaused, workQueues, workSchedules, workServices } from "@understudy/contracts";
import { CallerError, UnderstudyError } from "@understudy/runtime/errors";
import type { CommandContext } from "../command-context.ts";
import { unknownName } from "../access/targets.ts";
import { renderQueues, renderSchedules, renderServices } from "../render/queues.ts";

export async function list(context: CommandContext): Promise<void> {
  const { queues } = await context.cluster().ask(workQueues, {});
  context.output.show({ queues }, (style) => renderQueues(queues, style));
}

export async function setPaused(
  context: CommandContext,
  queue: string,
  isPaused: boolean,
  reason: string | undefined,
): Promise<void> {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(queue)) throw new CallerError("invalid-request", `"${queue}" is no queue.`);
  const cluster = context.cluster();
  try {
    const { queue: found } = await cluster.ask(setQueuePaused, {
      queue,
      isPaused,
      ...(reason !== undefined && { reason }),
    });
    context.output.show({ queue: found }, () =>
      isPaused
        ? `${queue} is paused: what runs goes on, nothing is started until \`understudy queues resume ${queue}\`.`
        : `${queue} goes on.`,
    );
  } catch (error) {
    if (!(error instanceof UnderstudyError) || error.code !== "not-found") throw error;
    const { queues } = await cluster.ask(workQueues, {});
    throw unknownName(
      "queue",
      queue,
      queues.map(({ name }) => name),
    );
  }
}

export async function services(context: CommandContext): Promise<void> {
  const { services: found } = await context.cluster().ask(workServices, {});
  context.output.show({ services: found }, (style) => renderServices(found, Date.now(), style));
}

export async function schedules(context: CommandContext): Promise<void> {
  const { schedules: found } = await context.cluster().ask(workSchedules, {});
  context.output.show({ schedules: found }, (style) => renderSchedules(found, Date.now(), style));
}
