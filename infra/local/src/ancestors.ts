/** The processes above this one: npm and its shell, when started by `npm start` or `npm run dev`. */
import { readFileSync } from "node:fs";

interface Ancestor {
  readonly name: string;
  readonly parent: number;
}

/** Undefined when the process is gone, or where there is no /proc. */
function look(pid: number): Ancestor | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const end = text.lastIndexOf(")");
    return { name: text.slice(text.indexOf("(") + 1, end), parent: Number(text.slice(end + 2).split(" ")[1]) };
  } catch {
    return undefined;
  }
}

/**
 * Calls `onLost` when the npm that started us, or its shell, is gone. npm waits for us as long as it lives, so nobody
 * wants us any more; and nobody else tells: on SIGTERM npm ends its shell, which does not pass the signal on.
 * Without npm above nothing is watched. What is above npm may go (nohup, a closed terminal): not our concern.
 */
export function watchNpm(onLost: () => void, environment: NodeJS.ProcessEnv = process.env): () => void {
  if (environment["npm_lifecycle_event"] === undefined) return () => undefined;
  const { ppid } = process;
  const parent = look(ppid);
  // Some shells replace themselves by their command; then npm itself is the parent.
  const npmIsAboveShell = parent !== undefined && /^(?:ba|da|a|k|z)?sh$/.test(parent.name);
  const timer = setInterval(() => {
    if (process.ppid === ppid && (!npmIsAboveShell || look(ppid)?.parent === parent.parent)) return;
    clearInterval(timer);
    onLost();
  }, 500);
  timer.unref();
  return () => clearInterval(timer);
}
