/** Whether a stopped server's data is a part of a running one's past, by that one's timeline history file. */
import { parseLogPosition } from "@understudy/engines";

/**
 * @param history lines `<timeline>\t<position at which it ended>\t<reason>`, as PostgreSQL writes them
 * @param data of a server that ended in order, so that its log ends with the checkpoint at `checkpointAt`
 */
export function isPartOf(history: string, data: { readonly timeline: number; readonly checkpointAt: bigint }): boolean {
  for (const line of history.split("\n")) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    if (match === null || Number(match[1]) !== data.timeline) continue;
    // The new timeline begins after that checkpoint's record: nothing of the old one is missing in it.
    return parseLogPosition(match[2] ?? "0/0") > data.checkpointAt;
  }
  return false;
}

export const historyFileName = (timeline: number): string =>
  `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
