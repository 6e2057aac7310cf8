/** `secrets setup | list | rotate`: works on a folder alone, so also where nothing runs yet. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CallerError } from "@understudy/runtime/errors";
import {
  finishRotation,
  listSecrets,
  rotateSecrets,
  SecretsError,
  secretKinds,
  setUpSecrets,
  type GivenCertificate,
  type Member,
  type Owner,
  type SecretKind,
} from "@understudy/secrets";
import { findStateFolder } from "../access/state-folder.ts";
import type { CommandContext } from "../command-context.ts";
import { renderTable } from "../render/table.ts";

export interface SecretsOptions {
  readonly folder?: string;
  readonly owner?: readonly string[];
}

export interface SetUpArguments extends SecretsOptions {
  readonly folder: string;
  readonly cluster: string;
  readonly natsNodes: string;
  readonly postgres: string;
  readonly database: string;
  readonly edge: string;
  readonly edgeCertificate?: string;
  readonly edgeKey?: string;
}

/** sysexits.h EX_CONFIG: starting again does not help. */
const damagedExitCode = 78;

const listed = (text: string): string[] =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");

/** `nats-a` or `nats-a=10.0.0.1`. */
const members = (text: string): Member[] =>
  listed(text).map((entry) => {
    const [name = "", host = name] = entry.split("=");
    return { name, host };
  });

function owners(given: readonly string[] = []): Map<string, Owner> {
  return new Map(
    given.map((entry): [string, Owner] => {
      const [, reader = "", uid, gid = uid] = /^([^=]+)=(\d+)(?::(\d+))?$/.exec(entry) ?? [];
      if (uid === undefined)
        throw new CallerError("invalid-request", `--owner ${entry}: name it like postgres-a=999:999.`);
      return [reader, { uid: Number(uid), gid: Number(gid) }];
    }),
  );
}

function edgeOf({ edgeCertificate, edgeKey }: SetUpArguments): GivenCertificate | undefined {
  if (edgeCertificate === undefined && edgeKey === undefined) return undefined;
  if (edgeCertificate === undefined || edgeKey === undefined)
    throw new CallerError("invalid-request", "A certificate of the edge needs both --edge-certificate and --edge-key.");
  try {
    return { certificate: readFileSync(edgeCertificate, "utf8"), key: readFileSync(edgeKey, "utf8") };
  } catch (error) {
    throw new CallerError("invalid-request", `The edge's certificate cannot be read: ${(error as Error).message}`);
  }
}

/** The one named, else that of the local cluster. */
function folderOf(context: CommandContext, given: string | undefined): string {
  const { environment, folder } = context.surroundings;
  if (given !== undefined) return resolve(folder, given);
  const state = environment["UNDERSTUDY_STATE_DIR"] ?? findStateFolder(folder);
  if (state === undefined)
    throw new CallerError("invalid-request", "Name the folder of the secrets (--folder): no local cluster runs here.");
  return resolve(folder, state, "secrets");
}

async function explained(context: CommandContext, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error;
    context.output.fail(new CallerError("refused", error.message, { faults: [...error.faults] }));
    return damagedExitCode;
  }
}

export const setUp = (context: CommandContext, given: SetUpArguments): Promise<number> =>
  explained(context, async () => {
    const folder = folderOf(context, given.folder);
    const edge = edgeOf(given);
    await setUpSecrets({
      folder,
      plan: {
        cluster: given.cluster,
        nats: members(given.natsNodes),
        postgres: members(given.postgres),
        databases: listed(given.database),
        edge: listed(given.edge),
      },
      ...(edge && { edge }),
      owners: owners(given.owner),
    });
    context.output.show({ folder, secrets: listSecrets(folder).length }, () => `The secrets in ${folder} are whole.`);
  });

export const list = (context: CommandContext, given: SecretsOptions): Promise<number> =>
  explained(context, () => {
    const secrets = listSecrets(folderOf(context, given.folder));
    context.output.show({ secrets }, (style) =>
      renderTable(
        style,
        ["KIND", "FILE", "MADE", "EXPIRES"].map((title) => ({ title })),
        secrets.map(({ kind, file, madeAt, expiresAt }) => [
          kind,
          file,
          madeAt.slice(0, 10),
          expiresAt?.slice(0, 10) ?? "",
        ]),
      ),
    );
    return Promise.resolve();
  });

/** What makes the new ones count, in the order in which nobody is shut out. */
const afterwards: Readonly<Record<SecretKind, string>> = {
  authority:
    "Restart, one by one: services (they believe both authorities then), NATS nodes, db-keepers; then: secrets rotate authority --finish, and restart the services once more when it suits.",
  "nats-users":
    "Restart the NATS nodes one by one (they let old and new keys in), then the services; then: secrets rotate nats-users --finish, and the nodes once more.",
  "nats-routes": "Reload all NATS nodes within a moment (SIGHUP): between an old and a new one there is no route.",
  "nats-certificates": "Restart the NATS nodes one by one.",
  "postgres-certificates": "Restart the db-keepers one by one, the standby's first.",
  "postgres-superuser":
    "Restart the db-keepers one by one, the primary's last (it gives the superusers their new passwords; until then keepers try the former ones too); then: secrets rotate postgres-superuser --finish. Where the former one was lost, data that was made with it lets no keeper in.",
  "postgres-passwords":
    "Restart the db-keepers, the primary's last (it gives the roles their new passwords), then the services: connections that stand stay, new ones need the new password.",
  "edge-certificate": "Restart the load balancers one by one.",
};

export const rotate = (
  context: CommandContext,
  kind: string,
  given: SecretsOptions & { readonly finish?: boolean },
): Promise<number> =>
  explained(context, async () => {
    const known = secretKinds.find((one) => one === kind);
    if (known === undefined)
      throw new CallerError("invalid-request", `There is no kind ${kind}; the kinds are ${secretKinds.join(", ")}.`);
    const folder = folderOf(context, given.folder);
    if (given.finish === true) finishRotation(folder, known, owners(given.owner));
    else await rotateSecrets(folder, known, owners(given.owner));
    const next =
      given.finish === true ? "The old ones count no longer once their readers have restarted." : afterwards[known];
    context.output.show({ kind: known, finished: given.finish === true, next }, () => `${known}: replaced. ${next}`);
  });
