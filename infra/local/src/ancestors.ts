/** The processes above this one: npm and its shell, when started by `npm start` or `npm run dev`. */
import { readFileSync } from "node:fs";

function parentOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

/**
 * Calls `onLost` when the npm that started us, or its shell, is gone. npm waits for us as long as it lives, so nobody
 * wants us any more; and nobody else tells: on SIGTERM npm ends its shell, which does not pass the signal on.
 * Without npm above nothing is watched.
 */
export function watchNpm(onLost: () => void, environment: NodeJS.ProcessEnv = process.env): () => void {
  if (environment["npm_lifecycle_event"] === undefined) return () => undefined;
  const parent = process.ppid;
  // npm starts a shell that may or may not replace itself by us, so npm is the parent or the one above.
  const above = parentOf(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === above) return;
    clearInterval(timer);
    onLost();
  }, 500);
  timer.unref();
  return () => clearInterval(timer);
}
