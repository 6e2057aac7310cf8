/** `db ...`: what the database service knows, and what it passes to the keeper that holds a database's lease. */
import {
  changeDatabase,
  databaseHistory,
  databaseStatus,
  switchDatabase,
  type DatabasePolicy,
  type DatabaseStatus,
  type DatabaseTopology,
} from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime/errors";
import { NoAnswerError } from "@understudy/runtime/messages";
import { unknownName } from "../access/targets.ts";
import type { CommandContext } from "../command-context.ts";
import { renderDatabases, renderInDoubt, renderPools } from "../render/databases.ts";
import { renderHistory } from "../render/history.ts";
import { duration } from "../render/units.ts";
import { parseLimit } from "./history.ts";

const status = (context: CommandContext): Promise<DatabaseStatus> => context.cluster().ask(databaseStatus, {});

export async function list(context: CommandContext): Promise<void> {
  const { databases } = await status(context);
  context.output.show({ databases }, (style) => renderDatabases(databases, Date.now(), style));
}

export async function pools(context: CommandContext): Promise<void> {
  const { pools: found } = await status(context);
  context.output.show({ pools: found }, (style) => renderPools(found, style));
}

export async function inDoubt(context: CommandContext): Promise<void> {
  const { inDoubt: commits } = await status(context);
  context.output.show({ inDoubt: commits }, (style) => renderInDoubt(commits, Date.now(), style));
}

export async function history(context: CommandContext, limitText: string): Promise<void> {
  const { entries } = await context.cluster().ask(databaseHistory, { limit: parseLimit(limitText) });
  context.output.show({ entries }, (style) => renderHistory(entries, Date.now(), style));
}

export async function pause(context: CommandContext, named: string | undefined, reason: string): Promise<void> {
  const { database } = await chosen(context, named);
  const { entry } = await context
    .cluster()
    .ask(changeDatabase, { database, change: { change: "pause", reason } }, changeOptions);
  context.output.show(
    { entry },
    () => `${database}: no failover by itself until \`understudy db resume\`. (${reason})`,
  );
}

export async function resume(context: CommandContext, named: string | undefined): Promise<void> {
  const { database } = await chosen(context, named);
  const { entry } = await context
    .cluster()
    .ask(changeDatabase, { database, change: { change: "resume" } }, changeOptions);
  context.output.show({ entry }, () => `${database} fails over by itself again.`);
}

const policyWords: Readonly<Record<DatabasePolicy, string>> = {
  strict: "without a second instance in sync nothing commits",
  available: "with the primary alone it serves on, degraded, which is recorded first",
};

export async function policy(context: CommandContext, to: DatabasePolicy, named: string | undefined): Promise<void> {
  const { database } = await chosen(context, named);
  const { entry } = await context
    .cluster()
    .ask(changeDatabase, { database, change: { change: "policy", policy: to } }, changeOptions);
  context.output.show({ entry }, () => `${database} is ${entry.policy}: ${policyWords[entry.policy]}.`);
}

/** A change waits for the entry's swap and, where PostgreSQL has to follow, for that. */
const changeOptions = { answerMs: 6_000 };
const switchMs = 25_000;

export async function switchOver(
  context: CommandContext,
  to: string | undefined,
  named: string | undefined,
): Promise<void> {
  const before = await chosen(context, named);
  if (to !== undefined && !before.members.some(({ id }) => id === to)) {
    throw unknownName(
      "database instance",
      to,
      before.members.map(({ id }) => id),
    );
  }
  if (to !== undefined && to === before.primary) {
    throw new CallerError("refused", `${to} is the primary of ${before.database} already (term ${before.term}).`);
  }
  const startedAt = performance.now();
  const done = await handOver(context, before, to);
  const ms = Math.round(performance.now() - startedAt);
  context.output.show(
    { database: before.database, ...done, ms },
    (style) =>
      `${style.colours.bold(done.to)} is the primary of ${before.database} now (term ${done.term}); before it ${done.from}. ` +
      (done.pauseMs === undefined
        ? `It took ${duration(ms)}.`
        : `Writers waited ${duration(Math.round(done.pauseMs))}.`),
  );
}

interface Switched {
  readonly from: string;
  readonly to: string;
  readonly term: number;
  readonly pauseMs?: number;
}

async function handOver(context: CommandContext, before: DatabaseTopology, to: string | undefined): Promise<Switched> {
  const { database } = before;
  try {
    return await context
      .cluster()
      .ask(switchDatabase, { database, ...(to !== undefined && { to }) }, { answerMs: switchMs });
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    // It may have happened. Repeating would hand the role back; looking tells.
    const after = await chosen(context, database);
    if (after.primary !== undefined && after.term > before.term && (to ?? after.primary) === after.primary) {
      return { from: before.primary ?? "nobody", to: after.primary, term: after.term };
    }
    throw new OperationalError(
      "timeout",
      `No answer within ${switchMs / 1_000} s; now ${after.primary ?? "nobody"} is the primary (term ${after.term}).`,
      { cause: error },
    );
  }
}

/** The database that was named, or the only one. */
async function chosen(context: CommandContext, named: string | undefined): Promise<DatabaseTopology> {
  const { databases } = await status(context);
  const names = databases.map(({ database }) => database);
  if (named === undefined && databases.length > 1) {
    throw new CallerError(
      "invalid-request",
      `There are several databases: name one with --database (${names.join(", ")}).`,
    );
  }
  const found = databases.find(({ database }) => named === undefined || database === named);
  if (found === undefined) throw unknownName("database", named ?? "", names);
  return found;
}
