// `npm start`: from a fresh clone to a running cluster. Old syntax: see node-version.mjs.
import { requireNode } from "./node-version.mjs";

requireNode();
void import("./start-cluster.mjs").then((module) => module.startCluster(process.argv.slice(2)));
