#!/usr/bin/env node
// Plain JavaScript without dependencies: it must run, and say what is missing, before anything was built.
import { existsSync } from "node:fs";

const explain = (sentence) => {
  process.stderr.write(`understudy: ${sentence}\n`);
  process.exitCode = 1;
};
const notBuilt = "the command line is not built yet: run npm start (or npm run build) first, then try again.";

const main = new URL("../dist/main.js", import.meta.url);
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  explain(`Node.js >= 20.19 is needed, this is ${process.versions.node}: see https://nodejs.org.`);
} else if (existsSync(main)) {
  try {
    await import(main.href);
  } catch (error) {
    // Half a build: one of the packages that it stands on, or an installed one, is missing.
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    explain(`${notBuilt} (${error.message.split("\n")[0]})`);
  }
} else {
  explain(notBuilt);
}
