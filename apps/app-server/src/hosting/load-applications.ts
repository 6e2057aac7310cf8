import { databaseVariables, serviceVariables, type BusinessApplication } from "@understudy/runtime";

export interface LoadedApplications {
  readonly applications: readonly BusinessApplication[];
  /** One sentence for each that cannot be hosted. */
  readonly faults: readonly string[];
}

const variableName = /^UNDERSTUDY_[A-Z0-9_]+$/;

/**
 * Imports the packages that `list` names (comma-separated; also `file:` URLs). Never throws: what cannot be hosted
 * becomes a fault of the configuration, to be listed with all others.
 */
export async function loadApplications(
  list: string | undefined,
  importModule: (specifier: string) => Promise<unknown> = (specifier) => import(specifier),
): Promise<LoadedApplications> {
  const specifiers = (list ?? "").split(",").map((entry) => entry.trim());
  const applications: BusinessApplication[] = [];
  const faults: string[] = [];
  for (const specifier of specifiers.filter((entry) => entry !== "")) {
    const found = await load(specifier, importModule);
    if (typeof found === "string") faults.push(found);
    else if (applications.some(({ name }) => name === found.name))
      faults.push(`two of the applications are named "${found.name}"`);
    else applications.push(found);
  }
  if (applications.length === 0 && faults.length === 0) faults.push("needs at least one application");
  return { applications, faults };
}

async function load(
  specifier: string,
  importModule: (specifier: string) => Promise<unknown>,
): Promise<BusinessApplication | string> {
  let module: unknown;
  try {
    module = await importModule(specifier);
  } catch (error) {
    return `"${specifier}" cannot be imported: ${firstLine(error)}`;
  }
  const application = (module as { application?: unknown }).application;
  if (!isApplication(application)) return `"${specifier}" exports no business application named "application"`;
  const names = Object.keys(application.variables);
  const foreign = names.filter((name) => !variableName.test(name));
  if (foreign.length > 0) return `"${specifier}" has variables outside of UNDERSTUDY_*: ${foreign.join(", ")}`;
  const taken = names.filter((name) => name in serviceVariables || name in databaseVariables);
  if (taken.length > 0) return `"${specifier}" declares variables of the platform: ${taken.join(", ")}`;
  return application;
}

function isApplication(value: unknown): value is BusinessApplication {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as Partial<BusinessApplication>;
  return (
    typeof candidate.name === "string" &&
    typeof candidate.variables === "object" &&
    typeof candidate.prepare === "function" &&
    typeof candidate.module === "function"
  );
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
