/**
 * Makes the current folder what an image runs: production dependencies of the named apps, the build of every workspace
 * that they need, and `sbom.cdx.json`. Everything that no process reads is left out.
 *
 *     node install.mjs <built tree> <app> ...
 *
 * The current folder holds the manifests of all workspaces and the lock file.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative, resolve } from "node:path";

const [built, ...apps] = process.argv.slice(2);
const here = process.cwd();
// Optional ones are engines for `npm start`; an image has its own or none.
const chosen = ["--omit=dev", "--omit=optional", ...apps.flatMap((app) => ["-w", `apps/${app}`])];
const npm = (...args) =>
  execFileSync("npm", args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 100_000_000 });

const parts = JSON.parse(npm("sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--sbom-type=application"));
npm("ci", "--ignore-scripts", ...chosen);

const scope = "node_modules/@understudy";
/** Folder of each workspace by the name of its package. */
const workspaces = new Map(
  readdirSync(scope).map((link) => [
    `@understudy/${link}`,
    relative(here, resolve(scope, readlinkSync(join(scope, link)))),
  ]),
);
/** npm links what tests need, too; these are what production needs. */
const needed = new Set(apps.map((app) => `apps/${app}`));
for (const workspace of needed) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(workspace, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) if (workspaces.has(name)) needed.add(workspaces.get(name));
}
for (const kind of ["apps", "packages"]) {
  for (const name of readdirSync(kind)) {
    const workspace = join(kind, name);
    if (!needed.has(workspace)) rmSync(workspace, { recursive: true });
    else
      for (const part of ["dist", "bin"].filter((each) => existsSync(join(built, workspace, each))))
        cpSync(join(built, workspace, part), join(workspace, part), { recursive: true });
  }
}
rmSync("infra", { recursive: true, force: true });
for (const link of readdirSync(scope)) if (!existsSync(join(scope, link))) rmSync(join(scope, link));
for (const manifest of ["package-lock.json", ".npmrc", "node_modules/.package-lock.json", "node_modules/.bin"])
  rmSync(manifest, { recursive: true, force: true });

/** Whole folders: builds for other surroundings, and what packages publish of their own tests. */
const doubles = [
  "node_modules/typeorm/browser",
  "node_modules/rxjs/src",
  "node_modules/rxjs/dist/bundles",
  "node_modules/rxjs/dist/esm",
  "node_modules/rxjs/dist/esm5",
];
for (const folder of doubles) rmSync(folder, { recursive: true, force: true });

const unreadFolders = new Set(["test", "tests", "__tests__", "example", "examples", "benchmark", "benchmarks", "docs"]);
const unreadFile = /\.(?:ts|mts|cts|map|md|markdown|flow|tsbuildinfo|test\.[cm]?js|spec\.[cm]?js)$/i;
const isLicence = (file) => /^(?:licen[cs]e|notice|copying)/i.test(file);

/** `isTop`: a package's own folder. Deeper, a folder of one of these names may be code. */
function prune(folder, isTop) {
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) continue;
    if (stats.isDirectory()) {
      if (isTop && (unreadFolders.has(entry) || entry.startsWith("."))) rmSync(path, { recursive: true });
      else prune(path, existsSync(join(path, "package.json")));
    } else if (unreadFile.test(entry) && !isLicence(entry)) rmSync(path);
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
prune("node_modules", false);
for (const workspace of needed) {
  // In-memory twins and conformance suites.
  rmSync(join(workspace, "dist/testing"), { recursive: true, force: true });
  prune(workspace, true);
}

/** Of all parts that the lock file names, those that are here. (npm's own --omit leaves out some that are.) */
const installed = new Set();
function collect(folder) {
  for (const entry of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, entry);
    if (entry.startsWith("@") && folder.endsWith("node_modules")) collect(path);
    else if (existsSync(join(path, "package.json"))) {
      const { name, version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
      installed.add(`${name}@${version}`);
      if (!lstatSync(path).isSymbolicLink()) collect(join(path, "node_modules"));
    }
  }
}
collect("node_modules");
parts.components = parts.components.filter((part) => installed.has(part["bom-ref"]));
const refs = new Set([parts.metadata.component["bom-ref"], ...parts.components.map((part) => part["bom-ref"])]);
parts.dependencies = parts.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
writeFileSync("sbom.cdx.json", JSON.stringify(parts));

const sizeOf = (path) => {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, entry) => sum + sizeOf(join(path, entry)), 0);
};
process.stdout.write(`${apps.join(", ")}: ${(sizeOf(here) / 1e6).toFixed(1)} MB in ${basename(here)}\n`);
for (const app of apps) statSync(join("apps", app, "dist/main.js"));
