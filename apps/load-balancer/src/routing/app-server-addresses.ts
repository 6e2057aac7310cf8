import { z } from "zod";

/** URLs that this balancer uses instead of the announced ones, by the app server's id. */
export type AppServerAddresses = ReadonlyMap<string, string>;

const plainHttpUrl = z.url({ protocol: /^http$/, error: "must be a URL that starts with http://" });
const addresses = z.record(z.string(), plainHttpUrl);

/** Address translation where app servers are reached by other addresses than they know of themselves (NAT, mapped ports). */
export const appServerAddresses = () =>
  z.string().transform((text, context): AppServerAddresses => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: 'must be JSON like {"app-server-a":"http://10.0.0.1:8080"}' });
      return z.NEVER;
    }
    const result = addresses.safeParse(value);
    if (result.success) return new Map(Object.entries(result.data));
    for (const issue of result.error.issues) {
      context.addIssue({ code: "custom", message: `${issue.path.join(".") || "it"}: ${issue.message}` });
    }
    return z.NEVER;
  });
