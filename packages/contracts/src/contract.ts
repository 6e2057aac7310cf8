import type { z } from "zod";

/**
 * A request that one service answers.
 *
 * `subject` may contain `{id}`: the instance it is addressed to (see `subjectOf`).
 * `answeredBy` says who subscribes: each instance of the service (or the one addressed), only the leader of its role,
 * or all of them with each request going to one.
 * `repeatable` says whether a caller whose answer was lost may send it again.
 */
export interface RequestContract<Request extends z.ZodType = z.ZodType, Reply extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly request: Request;
  readonly reply: Reply;
  readonly sentBy: string;
  readonly answeredBy: "leader" | "instance" | "any";
  readonly repeatable: boolean;
}

/** A message without an answer; whoever subscribes gets it. Losing one must be harmless. */
export interface EventContract<Event extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly event: Event;
  readonly sentBy: string;
}

export const defineRequest = <Request extends z.ZodType, Reply extends z.ZodType>(
  contract: RequestContract<Request, Reply>,
): RequestContract<Request, Reply> => Object.freeze(contract);

export const defineEvent = <Event extends z.ZodType>(contract: EventContract<Event>): EventContract<Event> =>
  Object.freeze(contract);

/** The NATS subject of a contract, addressed to instance `id` where the contract names one. */
export function subjectOf(contract: { readonly subject: string }, id?: string): string {
  if (!contract.subject.includes("{id}")) return contract.subject;
  if (id === undefined) throw new TypeError(`The subject ${contract.subject} needs the id of an instance.`);
  return contract.subject.replace("{id}", id);
}
