import { authorityFileVariable, databaseAddress, secretFileVariable, serviceVariables } from "@understudy/runtime";
import { name } from "@understudy/contracts";
import { z } from "zod";

const database = z
  .strictObject({
    name,
    /** libpq's form for several hosts; `?instances=` names them as their keepers do. */
    url: z.string(),
    passwordFile: z.string().optional(),
    /** Whom to believe that it is the database; with it nothing is said without TLS. */
    caFile: z.string().optional(),
  })
  .transform(({ name, url, passwordFile, caFile }, context) => {
    try {
      const address = databaseAddress(url);
      const password = passwordFile === undefined ? undefined : secretFileVariable().parse(passwordFile);
      const authority = caFile === undefined ? undefined : authorityFileVariable().parse(caFile);
      return { name, address, password, authority };
    } catch (error) {
      const message =
        error instanceof z.ZodError ? error.issues.map((issue) => issue.message).join("; ") : (error as Error).message;
      context.addIssue({ code: "custom", message: `${name}: ${message}` });
      return z.NEVER;
    }
  });

/** The db-pool's own variables, beside those that every service knows. */
export const dbPoolVariables = {
  /** JSON: [{ "name": "shop", "url": "postgres://user@host-a:5432,host-b:5432/shop?instances=...", "passwordFile": ... }] */
  UNDERSTUDY_DATABASES: z.string().transform((text, context) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: `is not JSON: ${(error as Error).message}` });
      return z.NEVER;
    }
    const { data, error } = z.array(database).min(1).safeParse(value);
    if (data !== undefined) return data;
    for (const issue of error.issues) {
      context.addIssue({ code: "custom", message: [...issue.path, issue.message].join(" ") });
    }
    return z.NEVER;
  }),
} as const;

export type DbPoolConfiguration = Readonly<z.infer<z.ZodObject<typeof serviceVariables & typeof dbPoolVariables>>>;
