#!/usr/bin/env node
// Plain JavaScript without dependencies: it must run, and say what is missing, before anything was built.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const main = new URL("../dist/main.js", import.meta.url);
if (existsSync(fileURLToPath(main))) {
  await import(main.href);
} else {
  process.stderr.write(
    "understudy: the command line is not built yet: run npm start (or npm run build) first, then try again.\n",
  );
  process.exitCode = 1;
}
