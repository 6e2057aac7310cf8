/** `manifest.json`: what was made, of what kind and when, and by which fingerprint it is known. No values. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { readSecret, replaceSecret } from "./secret-file.ts";
import { SecretsError } from "./secrets-error.ts";
import { secretKinds, secretsPlan, type SecretKind, type SecretsPlan } from "./secrets-plan.ts";

const manifestForm = z.object({
  format: z.literal(1),
  plan: secretsPlan,
  files: z.record(
    z.string(),
    z.object({
      kind: z.enum(secretKinds),
      madeAt: z.iso.datetime(),
      /** Of certificates. */
      expiresAt: z.iso.datetime().optional(),
      /** SHA-256 of the content; what has it is random or public, so this tells nothing. */
      fingerprint: z.string(),
    }),
  ),
  /** Public keys of users that are being replaced: let in until the rotation is finished. */
  previousKeys: z.record(z.string(), z.string()).default({}),
});
export type Manifest = z.infer<typeof manifestForm>;

export const fingerprintOf = (content: string): string => createHash("sha256").update(content).digest("hex");

const pathOf = (folder: string): string => join(folder, "manifest.json");

/** Undefined where nothing was made yet. @throws SecretsError */
export function readManifest(folder: string): Manifest | undefined {
  const path = pathOf(folder);
  try {
    const content = readSecret(path);
    return content === undefined ? undefined : manifestForm.parse(JSON.parse(content));
  } catch (error) {
    throw new SecretsError([
      `${path} cannot be read (${(error as Error).message.split("\n")[0]}). Restore the folder from your backup; or remove ` +
        "this file alone: what is whole stays and is written down anew.",
    ]);
  }
}

export const emptyManifest = (plan: SecretsPlan): Manifest => ({ format: 1, plan, files: {}, previousKeys: {} });

export function writeManifest(folder: string, manifest: Manifest): void {
  replaceSecret(pathOf(folder), `${JSON.stringify(manifestForm.parse(manifest), undefined, 2)}\n`);
}

export function record(manifest: Manifest, file: string, kind: SecretKind, content: string, expiresAt?: string): void {
  const fingerprint = fingerprintOf(content);
  const before = manifest.files[file];
  if (before?.fingerprint === fingerprint) return;
  manifest.files[file] = {
    kind,
    madeAt: new Date().toISOString(),
    ...(expiresAt !== undefined && { expiresAt }),
    fingerprint,
  };
}
