/** Finds and reads what a local cluster says about itself: `.understudy/run.json`. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { runFile, type RunFile } from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime/errors";

const folderName = ".understudy";
const fileName = "run.json";

/** The nearest `.understudy` with a run.json, from `folder` upward. */
export function findStateFolder(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const candidate = join(at, folderName);
    if (existsSync(join(candidate, fileName))) return candidate;
    if (at === dirname(at)) return undefined;
  }
}

/** @throws CallerError when the folder has no run.json; OperationalError when it cannot be understood. */
export function readRunFile(stateFolder: string): RunFile {
  const path = join(stateFolder, fileName);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new CallerError(
      "unavailable",
      `There is no ${path}: no cluster runs from that folder (start one: npm start).`,
      {
        cause: error,
      },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OperationalError("unavailable", `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const checked = runFile.safeParse(value);
  if (checked.success) return checked.data;
  const faults = checked.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new OperationalError(
    "unavailable",
    `${path} has a form that this command line does not know (another version?): ${faults.join("; ")}`,
  );
}
