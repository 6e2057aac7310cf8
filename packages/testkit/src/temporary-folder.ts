import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reaper } from "./registered.ts";

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** A new folder, removed at `remove()` or when this process is gone. */
export function temporaryFolder(name = "test"): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `understudy-${name}-`));
  // Others may pass through: PostgreSQL does not run as root and must reach its part. The parts are private.
  chmodSync(path, 0o711);
  const forget = reaper.atEnd(["rm", "-rf", path]);
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      forget();
    },
  };
}
