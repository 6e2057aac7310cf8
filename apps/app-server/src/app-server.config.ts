import { hostname } from "node:os";
import { databaseVariables, integerVariable, listVariable, portVariable, serviceVariables } from "@understudy/runtime";
import { z } from "zod";
import type { LoadedApplications } from "./hosting/load-applications.ts";

const ownVariables = {
  ...databaseVariables,
  /** Where balancers reach it. Port 0: any free one. */
  UNDERSTUDY_HTTP_HOST: z.string().default("127.0.0.1"),
  UNDERSTUDY_HTTP_PORT: portVariable().default(0),
  /** What balancers are told instead, where an address is translated on the way. */
  UNDERSTUDY_ADVERTISED_URL: z
    .url({ protocol: /^https?$/, error: "must look like http://host:port" })
    .transform((url) => url.replace(/\/$/, ""))
    .optional(),
  /** Requests that it means to work on at once: its weight among the app servers. */
  UNDERSTUDY_CAPACITY: integerVariable(1, 100_000).default(64),
} as const;

/** All variables of an app server that hosts `loaded`; what could not be loaded is a fault of the list's variable. */
export function appServerVariables(loaded: LoadedApplications) {
  const applications = listVariable().transform((_names, context) => {
    for (const message of loaded.faults) context.addIssue({ code: "custom", message });
    return loaded.faults.length > 0 ? z.NEVER : loaded.applications;
  });
  const variables: z.ZodRawShape = Object.assign(
    {},
    ...loaded.applications.map((application) => application.variables),
  );
  return { ...variables, ...ownVariables, UNDERSTUDY_APPLICATIONS: applications };
}

type OwnShape = typeof serviceVariables &
  typeof ownVariables & { UNDERSTUDY_APPLICATIONS: ReturnType<typeof appServerVariables>["UNDERSTUDY_APPLICATIONS"] };
export type AppServerConfiguration = Readonly<z.infer<z.ZodObject<OwnShape>>>;

/** Where balancers reach the listener that is bound to `port`. */
export function advertisedUrl(configuration: AppServerConfiguration, port: number): string {
  if (configuration.UNDERSTUDY_ADVERTISED_URL !== undefined) return configuration.UNDERSTUDY_ADVERTISED_URL;
  const host = configuration.UNDERSTUDY_HTTP_HOST;
  // Bound to every address: the host's name is the one that others may know.
  const reachable = host === "0.0.0.0" || host === "::" ? hostname() : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
