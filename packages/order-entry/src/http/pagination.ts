/**
 * Keyset pagination: a page ends with the key of its last entry, and the next one begins behind that key, however many
 * entries came or went in between. The key travels as an opaque text.
 */
import { z } from "zod";

export const mostPerPage = 1_000;

/** Ids are PostgreSQL integers; a larger number would be an error of the database instead of a clear answer. */
export const identifier = z
  .int("must be a whole number")
  .min(1, "must be 1 or more")
  .max(2_147_483_647, "must be at most 2147483647");

const inQuery = (schema: z.ZodNumber | z.ZodInt, message: string) =>
  z
    .string(message)
    .regex(/^\d{1,10}$/, message)
    .transform(Number)
    .pipe(schema);

export const identifierParameter = inQuery(identifier, "must be a whole number");
export const limitParameter = inQuery(
  z.int().min(1, `must be 1 to ${mostPerPage}`).max(mostPerPage, `must be 1 to ${mostPerPage}`),
  `must be a whole number, 1 to ${mostPerPage}`,
)
  .default(20)
  .describe("How many entries at most");

/** The `after` parameter of a list whose entries are ordered by `key`. */
export const afterParameter = <Key extends z.ZodType>(key: Key) =>
  z
    .string()
    .transform((text, context) => {
      const decoded = key.safeParse(decode(text));
      if (decoded.success) return decoded.data;
      context.addIssue({ code: "custom", message: "must be the `next` of an earlier answer of this list" });
      return z.NEVER;
    })
    .optional()
    .meta({ type: "string", description: "The `next` of the answer before" });

const encode = (key: unknown): string => Buffer.from(JSON.stringify(key)).toString("base64url");

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString()) as unknown;
  } catch {
    return undefined;
  }
}

export const pageOf = <Entry extends z.ZodType>(entry: Entry) =>
  z.object({
    items: z.array(entry),
    next: z.string().optional().describe("`after` of the next page; absent on the last one"),
  });

export interface Page<Entry> {
  readonly items: readonly Entry[];
  readonly next?: string;
}

/** The page of `found`, which was read with one entry more than `limit` to see whether there are more. */
export function toPage<Found, Entry>(
  found: readonly Found[],
  limit: number,
  keyOf: (last: Found) => unknown,
  entryOf: (found: Found) => Entry,
): Page<Entry> {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map((row) => entryOf(row));
  return found.length > limit && last !== undefined ? { items, next: encode(keyOf(last)) } : { items };
}
