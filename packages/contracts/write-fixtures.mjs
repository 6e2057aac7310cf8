/**
 * Writes `fixtures/<version>/<contract>.json`: what this version writes under each contract, for the versions after it.
 *
 *     npm run fixtures -w packages/contracts
 *
 * Once a version is released its folder stays as it is. Raise the version first: the next one gets a folder of its own.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixtureOf, wireForms } from "./dist/testing/index.js";

const here = import.meta.dirname;
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const folder = join(here, "fixtures", version);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [contract, forms] of wireForms) {
  writeFileSync(join(folder, `${contract}.json`), `${JSON.stringify(fixtureOf(contract, forms), undefined, 2)}\n`);
}
