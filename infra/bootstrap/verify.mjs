// `npm run verify`: everything that must hold before a change goes in. Old syntax: see node-version.mjs.
import { requireNode } from "./node-version.mjs";

requireNode();
void import("./run-steps.mjs").then((module) => module.verify());
