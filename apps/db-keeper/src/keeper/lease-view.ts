/** The lease of a database as keepers read it: an opaque content becomes an entry, or is none of ours. */
import { databaseEntry, type InstanceRef } from "@understudy/contracts";
import { isHeldBy, type SeenLease } from "@understudy/leadership";
import type { SeenEntry } from "../decision/entry-rules.ts";
import type { LeaseFacts } from "../decision/facts.ts";

const entryOf = ({ lease }: SeenLease, database: string) => {
  const { success, data } = databaseEntry.safeParse(lease.content);
  return success && data.database === database ? data : undefined;
};

/** For the questions of the elector. */
export function seenEntry(
  seen: SeenLease | undefined,
  me: InstanceRef,
  database: string,
): SeenEntry | "foreign" | undefined {
  if (seen === undefined) return undefined;
  const entry = entryOf(seen, database);
  if (entry === undefined) return "foreign";
  const { status, handTo } = seen.lease;
  return {
    entry,
    revision: seen.revision,
    isReleased: status === "released",
    isMeantForMe: status === "released" && handTo === me.id,
  };
}

/** For the keeper's decisions; undefined when there is no usable entry. */
export function leaseFacts(seen: SeenLease | undefined, me: InstanceRef, database: string): LeaseFacts | undefined {
  const entry = seen && entryOf(seen, database);
  if (seen === undefined || entry === undefined) return undefined;
  const { term, holder, status } = seen.lease;
  return {
    term,
    entry,
    holder: isHeldBy(seen, me) ? "me" : holder.id === me.id ? "former-self" : "other",
    isReleased: status === "released",
    revision: seen.revision,
  };
}
