/** Asks one host who it is, over a connection of its own that is closed behind the answer. Never rejects. */
import { kindOfError, reasonOf } from "../errors/error-table.ts";
import type { HostAnswer } from "../primary/choose-primary.ts";
import type { Host } from "../primary/host-list.ts";
import type { PgClient } from "./pg-internals.ts";
import { identityQuery, sessionFacts } from "./server-identity.ts";

export interface Asking {
  readonly answer: Promise<HostAnswer>;
  stop(): void;
}

/** `silent` after `patienceMs`. */
export function askHost(makeClient: (host: Host) => PgClient, host: Host, patienceMs: number): Asking {
  const client = makeClient(host);
  client.on("error", () => undefined);
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (() => void) | undefined;
  const patience = new Promise<HostAnswer>((resolve) => {
    giveUp = () => {
      client.connection.stream.destroy();
      resolve({ type: "silent" });
    };
    timer = setTimeout(giveUp, patienceMs);
    timer.unref();
  });
  const asked = ask(client);
  const answer = Promise.race([asked, patience]).finally(() => clearTimeout(timer));
  return { answer, stop: () => giveUp?.() };
}

async function ask(client: PgClient): Promise<HostAnswer> {
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(identityQuery);
    const facts = sessionFacts(rows[0]);
    client.end().catch(() => undefined);
    return { type: "facts", facts };
  } catch (error) {
    client.connection.stream.destroy();
    return { type: "failed", kind: kindOfError(error), reason: reasonOf(error), error };
  }
}
