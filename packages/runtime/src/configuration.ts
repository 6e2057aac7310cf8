/**
 * Configuration comes from `UNDERSTUDY_*` environment variables, is read once at start and frozen.
 * A service declares its variables as a zod object keyed by variable name; every fault is listed at once.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { name } from "@understudy/contracts";
import { z } from "zod";
import { databaseAddress } from "./postgres/database-address.ts";

export class ConfigurationError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
    this.name = "ConfigurationError";
  }
}

/** sysexits.h EX_CONFIG: tells a supervisor that a restart cannot help. */
export const exitCodeForConfiguration = 78;

/** An integer in a variable, such as a port or milliseconds. */
export const integerVariable = (least: number, most: number) =>
  z
    .string()
    .regex(/^-?\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(least).max(most));
export const portVariable = () => integerVariable(0, 65_535);
/** A comma-separated list; blanks around entries are dropped. */
export const listVariable = () =>
  z.string().transform((text) =>
    text
      .split(",")
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ""),
  );
/** The path of a file whose content is the value: secrets do not belong into the environment. */
export const secretFileVariable = () =>
  z.string().transform((path, context) => {
    try {
      const secret = readFileSync(path, "utf8").trim();
      if (secret !== "") return secret;
      context.addIssue({ code: "custom", message: `the file ${path} is empty` });
    } catch (error) {
      context.addIssue({ code: "custom", message: `cannot read the file ${path}: ${(error as Error).message}` });
    }
    return z.NEVER;
  });

/** The path of a file with an nkey seed of a user. */
export const seedFileVariable = () =>
  secretFileVariable().refine((seed) => /^SU[A-Z2-7]{56}$/.test(seed), "the file holds no nkey seed of a user (SU...)");

/** The path of a file with certificates of authorities, PEM. */
export const authorityFileVariable = () =>
  secretFileVariable().superRefine((pem, context) => {
    try {
      void new X509Certificate(pem);
    } catch (error) {
      context.addIssue({ code: "custom", message: `the file holds no certificate: ${(error as Error).message}` });
    }
  });

const natsUrl = z.string().regex(/^(?:nats|tls):\/\/[^\s,/]+$/, "must look like nats://host:4222");

/** The variables that every service knows. */
export const serviceVariables = {
  UNDERSTUDY_CLUSTER: name.default("understudy"),
  UNDERSTUDY_SITE: name.default("site-1"),
  UNDERSTUDY_MACHINE: name.default(() =>
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-"),
  ),
  UNDERSTUDY_ID: name,
  /** All NATS nodes, the one on the own machine first. */
  UNDERSTUDY_NATS_SERVERS: listVariable().pipe(z.array(natsUrl).min(1, "needs at least one NATS node")),
  /** Of this service's own user: `for/<service>/nats.seed` of the cluster's secrets. */
  UNDERSTUDY_NATS_SEED_FILE: seedFileVariable().optional(),
  /** Whom to believe that it is NATS; with it nothing is said without TLS. */
  UNDERSTUDY_NATS_CA_FILE: authorityFileVariable().optional(),
  /** Where NATS has no nkey users. */
  UNDERSTUDY_NATS_USER: z.string().optional(),
  UNDERSTUDY_NATS_PASSWORD_FILE: secretFileVariable().optional(),
  /** `/livez`, `/readyz`, `/metrics`. 0: any free port. */
  UNDERSTUDY_OPS_HOST: z.string().default("127.0.0.1"),
  UNDERSTUDY_OPS_PORT: portVariable().default(0),
  UNDERSTUDY_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  UNDERSTUDY_LOG_FORMAT: z.enum(["json", "pretty"]).default(() => (process.stdout.isTTY ? "pretty" : "json")),
  /** Folder whose disk is watched for room. */
  UNDERSTUDY_DATA_DIR: z.string().default("."),
  /** How long the whole stop may take before the process ends by force. */
  UNDERSTUDY_STOP_TIMEOUT_MS: integerVariable(100, 600_000).default(25_000),
} as const;

/** Checked here, so that a fault of the address is told with all others. */
const databaseUrl = z.string().superRefine((url, context) => {
  try {
    databaseAddress(url);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
  }
});

/** Where the business data and the platform's tables live. */
export const databaseVariables = {
  /**
   * All instances, without the password: postgres://user@host-a:5432,host-b:5432/database?instances=postgres-a,postgres-b
   * (`instances`: as their keepers name them, so that news is understood; optional).
   */
  UNDERSTUDY_DATABASE_URL: databaseUrl,
  UNDERSTUDY_DATABASE_PASSWORD_FILE: secretFileVariable().optional(),
  /** Who changes the schema at the start. Without name and password: the one login of the URL. */
  UNDERSTUDY_DATABASE_OWNER: z.string().optional(),
  UNDERSTUDY_OWNER_PASSWORD_FILE: secretFileVariable().optional(),
  /** Whom to believe that it is the database; with it nothing is said without TLS. */
  UNDERSTUDY_DATABASE_CA_FILE: authorityFileVariable().optional(),
  UNDERSTUDY_DATABASE_CONNECTIONS: integerVariable(1, 1_000).default(10),
} as const;

export type DatabaseConfiguration = Readonly<z.infer<z.ZodObject<typeof databaseVariables>>>;

/**
 * Reads the variables of `shape` from `environment`.
 * @throws ConfigurationError listing every fault, unknown `UNDERSTUDY_*` variables included.
 */
export function readConfiguration<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<z.infer<z.ZodObject<Shape>>> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(
      ([key, value]) => key.startsWith("UNDERSTUDY_") && value !== undefined && value !== "",
    ),
  );
  const result = z.strictObject(shape).safeParse(given);
  if (result.success) return Object.freeze(result.data) as Readonly<z.infer<z.ZodObject<Shape>>>;
  throw new ConfigurationError(
    result.error.issues.flatMap((issue) => {
      if (issue.code === "unrecognized_keys") {
        return issue.keys.map((key) => `${key}: no such setting (known: ${Object.keys(shape).sort().join(", ")})`);
      }
      const key = String(issue.path[0] ?? "");
      return [given[key] === undefined ? `${key}: is missing` : `${key}: ${issue.message}`];
    }),
  );
}
