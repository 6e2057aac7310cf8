/** What commands and the local start do with a cluster's secrets. */
import { KeptSecrets, type GivenCertificate } from "./kept-secrets.ts";
import { secretFile } from "./paths.ts";
import { natsUsersOf, writeReaderFolders } from "./reader-folders.ts";
import type { Owner } from "./secret-file.ts";
import type { SecretKind, SecretsPlan } from "./secrets-plan.ts";

export interface SetUpOptions {
  readonly folder: string;
  readonly plan: SecretsPlan;
  /** Of the edge, PEM; made where not given. */
  readonly edge?: GivenCertificate;
  /** By reader; only root may give files away. */
  readonly owners?: ReadonlyMap<string, Owner>;
}

export interface ListedSecret {
  readonly file: string;
  readonly kind: SecretKind;
  readonly madeAt: string;
  readonly expiresAt?: string | undefined;
}

/** Makes what is missing, keeps what is there. @throws SecretsError naming what is damaged and what to do. */
export async function setUpSecrets(options: SetUpOptions): Promise<KeptSecrets> {
  const kept = await KeptSecrets.setUp(options.folder, options.plan, options.edge);
  writeReaderFolders(kept, options.owners ?? new Map());
  return kept;
}

/** Replaces all secrets of a kind. @throws SecretsError */
export async function rotateSecrets(
  folder: string,
  kind: SecretKind,
  owners = new Map<string, Owner>(),
): Promise<void> {
  const kept = KeptSecrets.open(folder);
  await kept.rotate(kind);
  writeReaderFolders(kept, owners);
}

/** Ends the overlap of a rotation: the old keys or the old authority count no longer. @throws SecretsError */
export function finishRotation(folder: string, kind: SecretKind, owners = new Map<string, Owner>()): void {
  const kept = KeptSecrets.open(folder);
  kept.check();
  kept.finish(kind);
  writeReaderFolders(kept, owners);
}

/** Kinds, ages, expiry; no values. @throws SecretsError */
export function listSecrets(folder: string): readonly ListedSecret[] {
  const { files } = KeptSecrets.open(folder).manifest;
  return Object.entries(files)
    .map(([file, { kind, madeAt, expiresAt }]) => ({ file, kind, madeAt, expiresAt }))
    .sort((one, other) => one.kind.localeCompare(other.kind) || one.file.localeCompare(other.file));
}

export { natsUsersOf, secretFile };
