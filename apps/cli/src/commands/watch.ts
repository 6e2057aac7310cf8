import { CallerError } from "@understudy/runtime/errors";
import { pause } from "@understudy/runtime/wait";
import type { CommandContext } from "../command-context.ts";
import { renderStatus, statusData } from "../render/status.ts";
import { parseDuration } from "../render/units.ts";
import { lookAround } from "./status.ts";

// A second screen, like `less`: the shell's own lines come back at the end. Each look draws over the last one line by
// line, because clearing first would flicker.
const enterScreen = "\u001B[?1049h\u001B[?25l";
const leaveScreen = "\u001B[?25h\u001B[?1049l";
const home = "\u001B[H";
const clearToLineEnd = "\u001B[K";
const clearToScreenEnd = "\u001B[J";

/** Shorter than a look apart: while nobody leads, the picture must go on moving. */
const patienceMs = 0;

export async function watch(context: CommandContext, interval: string): Promise<void> {
  const intervalMs = parseDuration(interval);
  if (intervalMs === undefined || intervalMs < 50) {
    throw new CallerError("invalid-request", `--interval "${interval}" is no duration of at least 50ms, such as 1s.`);
  }
  const { output, surroundings, signal } = context;
  const drawsOver = surroundings.isTerminal && output.format === "table";
  // The first look fails loudly: an operator who mistyped wants a sentence, not an empty screen.
  let look = await lookAround(context);
  if (drawsOver) output.raw(enterScreen);
  try {
    while (!signal.aborted) {
      const { facts } = look;
      output.showNext(statusData(facts), (style) => {
        const time = style.colours.dim(new Date(facts.now).toLocaleTimeString());
        const text = `${renderStatus(facts, style)}\n\n${time}${style.colours.dim("  Ctrl-C ends")}`;
        return drawsOver
          ? `${home}${text.split("\n").join(`${clearToLineEnd}\n`)}${clearToLineEnd}${clearToScreenEnd}`
          : `${text}\n`;
      });
      await pause(intervalMs, signal);
      if (!signal.aborted) look = await lookAround(context, patienceMs);
    }
  } finally {
    if (drawsOver) output.raw(leaveScreen);
  }
}
