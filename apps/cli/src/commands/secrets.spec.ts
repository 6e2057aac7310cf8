import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine } from "../command-line.ts";
import { recordedSurroundings } from "../testing/recorded-surroundings.ts";

describe("understudy secrets", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "understudy-secrets-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  async function run(...argv: string[]) {
    const surroundings = recordedSurroundings({ folder });
    const exitCode = await runCommandLine(["secrets", ...argv], surroundings);
    return { exitCode, out: surroundings.out(), err: surroundings.err() };
  }
  const setup = (...more: string[]) =>
    run("setup", "--folder", "s", "--nats-nodes", "nats-a,nats-b=10.0.0.2", "--postgres", "postgres-a", ...more);

  it("makes a folder, lists it without a value, and rotates a kind with what to do next", async () => {
    expect(await setup()).toMatchObject({ exitCode: 0 });
    const seed = readFileSync(join(folder, "s/for/app-server/nats.seed"), "utf8").trim();
    const listed = await run("list", "--folder", "s");
    expect(listed.out).toMatch(/nats-users +kept\/nats\/app-server\.seed/);
    expect(listed.out).not.toContain(seed);
    const rotated = await run("rotate", "nats-users", "--folder", "s");
    expect(rotated).toMatchObject({ exitCode: 0, out: expect.stringContaining("--finish") });
    expect(readFileSync(join(folder, "s/for/app-server/nats.seed"), "utf8")).not.toContain(seed);
    expect(await run("rotate", "nats-users", "--folder", "s", "--finish")).toMatchObject({ exitCode: 0 });
  });

  it("names a damaged secret and ends with 78", async () => {
    await setup();
    writeFileSync(join(folder, "s/kept/nats/route.password"), "x");
    expect(await setup()).toMatchObject({
      exitCode: 78,
      err: expect.stringMatching(/route\.password is damaged.*nats-routes/),
    });
  });

  it("refuses what it does not understand", async () => {
    expect(await setup("--owner", "nats-a")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("postgres-a=999"),
    });
    expect(await run("rotate", "everything", "--folder", "s")).toMatchObject({ exitCode: 1 });
    expect(await run("list", "--folder", "empty")).toMatchObject({
      exitCode: 78,
      err: expect.stringContaining("setup"),
    });
  });
});
