import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { EngineMissingError, natsServerBinary, postgresBinaries } from "@understudy/engines";
import { cachedFolder } from "../src/private-cache.ts";
import { hydrateSymlinks, librarySymlinks } from "../src/postgres-binaries.ts";

const run = promisify(execFile);

describe("the binary of nats-server", () => {
  it("runs, and is new enough for the cluster", async () => {
    const { stdout } = await run(natsServerBinary({}), ["--version"]);
    expect(stdout).toMatch(/v2\.1[1-9]/);
  });

  it("is the one that the environment names", () => {
    expect(natsServerBinary({ UNDERSTUDY_NATS_SERVER_BIN: process.execPath })).toBe(process.execPath);
  });

  it("is missed in one sentence that says what to do", () => {
    const find = () => natsServerBinary({ UNDERSTUDY_NATS_SERVER_BIN: "/nowhere/nats-server" });
    expect(find).toThrow(EngineMissingError);
    expect(find).toThrow("UNDERSTUDY_NATS_SERVER_BIN names /nowhere/nats-server, which is not an executable file.");
  });
});

describe("the binaries of PostgreSQL", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-binaries-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("run, libraries included", async () => {
    const { postgres, initdb } = postgresBinaries({});
    expect((await run(postgres, ["--version"])).stdout).toContain("PostgreSQL) 18");
    expect((await run(initdb, ["--version"])).stdout).toContain("PostgreSQL) 18");
  });

  it("are those in the folder that the environment names, or missed in one sentence", () => {
    const named = dirname(postgresBinaries({}).postgres);
    expect(postgresBinaries({ UNDERSTUDY_POSTGRES_BIN_DIR: named }).postgres).toBe(join(named, "postgres"));
    expect(() => postgresBinaries({ UNDERSTUDY_POSTGRES_BIN_DIR: folder })).toThrow(
      `UNDERSTUDY_POSTGRES_BIN_DIR names ${folder}, which has no initdb.`,
    );
  });

  /** The libraries as npm unpacks them: without any link. */
  function unlinked(): string {
    const { root } = postgresBinaries({});
    const native = join(folder, "native");
    mkdirSync(join(native, "lib"), { recursive: true });
    copyFileSync(join(root, "pg-symlinks.json"), join(native, "pg-symlinks.json"));
    return native;
  }

  it("get the links that npm left out, and keep them when asked again", () => {
    const native = unlinked();
    const links = librarySymlinks(native);
    expect(links.length).toBeGreaterThan(5);
    for (const { path, pointsTo } of links) writeFileSync(join(dirname(path), pointsTo), "library");
    hydrateSymlinks(native);
    hydrateSymlinks(native);
    for (const { path, pointsTo } of links) {
      expect(readlinkSync(path)).toBe(pointsTo);
      expect(statSync(path).isFile()).toBe(true);
    }
  });

  it("get links anew that point to what an older version had", () => {
    const native = unlinked();
    const [link] = librarySymlinks(native);
    if (link === undefined) throw new Error("The package lists no links.");
    writeFileSync(join(dirname(link.path), link.pointsTo), "library");
    symlinkSync("libold.so.1", link.path);
    hydrateSymlinks(native);
    expect(readlinkSync(link.path)).toBe(link.pointsTo);
  });

  it("get their links from several processes at once", async () => {
    const native = unlinked();
    const module = new URL("../dist/postgres-binaries.js", import.meta.url).href;
    const script = `import { hydrateSymlinks } from ${JSON.stringify(module)}; hydrateSymlinks(${JSON.stringify(native)});`;
    await Promise.all(
      Array.from({ length: 4 }, () => run(process.execPath, ["--input-type=module", "--eval", script])),
    );
    const links = librarySymlinks(native);
    for (const { path } of links) expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(native, "lib"))).toHaveLength(links.length);
  });
});

describe("a cached folder", () => {
  const name = `understudy-cache-test-${process.pid}`;
  const made: string[] = [];
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  const fill = (folder: string) => writeFileSync(join(folder, "file"), "content");

  it("is filled once, readable by all and taken again", () => {
    let fills = 0;
    const get = () =>
      cachedFolder(name, undefined, (folder) => {
        fills++;
        fill(folder);
      });
    made.push(get());
    expect(get()).toBe(made[0]);
    expect(fills).toBe(1);
    expect(statSync(made[0] ?? "").mode & 0o777).toBe(0o755);
  });

  it("is not one that somebody else may write to", () => {
    const planted = cachedFolder(name, undefined, fill);
    made.push(planted);
    chmodSync(planted, 0o777);
    const own = cachedFolder(name, undefined, fill);
    made.push(own);
    expect(own).not.toBe(planted);
    expect(existsSync(join(own, "file"))).toBe(true);
  });

  it("leaves nothing when filling it fails", () => {
    expect(() =>
      cachedFolder(name, undefined, () => {
        throw new Error("no room");
      }),
    ).toThrow("no room");
    expect(readdirSync(tmpdir()).filter((entry) => entry.startsWith(name))).toEqual([]);
  });
});
