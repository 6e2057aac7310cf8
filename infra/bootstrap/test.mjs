// `npm test`: from a fresh clone to all tests run. Old syntax: see node-version.mjs.
import { requireNode } from "./node-version.mjs";

requireNode();
void import("./run-tests.mjs").then((module) => module.testAll(process.argv.slice(2)));
