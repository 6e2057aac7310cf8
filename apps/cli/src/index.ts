export { runCommandLine } from "./command-line.ts";
export type { Surroundings } from "./surroundings.ts";
