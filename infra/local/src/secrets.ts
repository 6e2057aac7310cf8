/** Passwords of this cluster: made once, each in a file that only its owner reads. */
import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Secret {
  readonly path: string;
  readonly value: string;
}

/** The secret `name`; made when it is not there. Two that make it at once get the same. */
export function secret(folder: string, name: string): Secret {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const path = join(folder, name);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(24).toString("hex")}\n`, { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  chmodSync(path, 0o600);
  return { path, value: readFileSync(path, "utf8").trim() };
}
