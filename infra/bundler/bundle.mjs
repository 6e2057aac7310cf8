/**
 * The last step of a service's build: `dist/main.js`, as the compiler wrote it, becomes the whole service in one file.
 *
 * Node looks for, reads and links some 1,500 modules before a service can begin; on two cores that start fifteen
 * services that is most of what their start takes. See docs/decisions/0010-services-in-one-file.md.
 *
 * Run in the service's folder after the compiler. `npm run dev` goes without.
 */
import { rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { build } from "esbuild";

const file = "dist/main.js";
// It starts threads from files of its own.
const external = ["pino"];
// Modules of the older kind ask for Node's own by `require`, which a module of the newer kind has not.
const banner = `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`;

/** What a library asks for only if it is there (drivers, transports, validators) is left to the time it asks. */
const optional = {
  name: "optional",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (pluginData === "asked" || isBuiltin(path)) return undefined;
      if (kind !== "require-call" && kind !== "dynamic-import") return undefined;
      const found = await resolve(path, { kind, resolveDir, pluginData: "asked" });
      return found.errors.length > 0 ? { path, external: true } : found;
    });
  },
};

const { warnings } = await build({
  entryPoints: [file],
  outfile: file,
  allowOverwrite: true,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  // No names are made shorter, and none are kept by force (`keepNames`): that costs a call for each function made.
  external,
  banner: { js: banner },
  plugins: [optional],
  logLevel: "error",
});
// Of the file as the compiler wrote it.
rmSync(`${file}.map`, { force: true });
for (const { text, location } of warnings) console.warn(`${location?.file ?? file}: ${text}`);
