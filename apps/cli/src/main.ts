import { runCommandLine } from "./command-line.ts";
import { surroundingsOfProcess } from "./surroundings.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // The second one ends at once, should something not listen to the first.
  process.on(signal, () => (stop.signal.aborted ? process.exit(130) : stop.abort()));
}
// The reader is gone (`understudy logs | head`): nobody is left to tell anything.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await runCommandLine(process.argv.slice(2), surroundingsOfProcess(stop.signal));
