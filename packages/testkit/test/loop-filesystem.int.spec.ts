import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { canUseLoopFilesystems, LoopFilesystem } from "@understudy/testkit";

(canUseLoopFilesystems() ? describe : describe.skip)("a file system of its own (needs root)", () => {
  let filesystem: LoopFilesystem;
  beforeEach(() => {
    filesystem = LoopFilesystem.make({ sizeMiB: 16 });
  });
  afterEach(() => filesystem.remove());

  const write = (name: string, isSynced: boolean): void => {
    const file = openSync(join(filesystem.path, name), "w");
    writeSync(file, name);
    if (isSynced) fsyncSync(file);
    closeSync(file);
  };

  it("keeps what was synced and loses what was not when its power is cut", async () => {
    write("synced", true);
    write("unsynced", false);
    filesystem.cutPower();
    expect(() => write("later", false)).toThrow(/EIO/);
    await filesystem.remount();
    expect(readFileSync(join(filesystem.path, "synced"), "utf8")).toBe("synced");
    expect(existsSync(join(filesystem.path, "unsynced"))).toBe(false);
  });

  it("is full when it is full", () => {
    expect(() => writeFileSync(join(filesystem.path, "big"), Buffer.alloc(20 * 1_048_576))).toThrow(/ENOSPC/);
  });
});
