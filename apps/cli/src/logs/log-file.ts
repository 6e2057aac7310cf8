/**
 * One log file: its last lines, and what comes after them.
 *
 * `follow` looks every 200 ms instead of waiting for events of the file system: those differ between platforms and
 * are absent on network folders, and a look costs one `stat`.
 */
import { open, stat } from "node:fs/promises";

const firstChunkBytes = 256 * 1_024;
const newline = 0x0a;

export class LogFile {
  #offset = 0;
  #inode = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(
    readonly id: string,
    readonly path: string,
  ) {}

  /**
   * The last lines, oldest first. Reads backwards until `isEnough(lines)`; a file that is not there has none.
   * What is written afterwards comes from `readNew`.
   */
  async readTail(isEnough: (lines: readonly string[]) => boolean): Promise<string[]> {
    const file = await open(this.path, "r").catch(() => undefined);
    if (file === undefined) return [];
    try {
      const { size, ino } = await file.stat();
      this.#inode = ino;
      let start = size;
      let bytes: Buffer = Buffer.alloc(0);
      let lines: string[] = [];
      // Each step reads as much as all before it, so that looking at everything again each time stays cheap.
      while (start > 0 && !isEnough(lines)) {
        const length = Math.min(Math.max(firstChunkBytes, bytes.length), start);
        start -= length;
        const chunk = Buffer.alloc(length);
        await file.read(chunk, 0, length, start);
        bytes = Buffer.concat([chunk, bytes]);
        lines = linesOf(bytes, start > 0);
      }
      const lastNewline = bytes.lastIndexOf(newline);
      // A line that is still being written is left for `readNew`.
      this.#offset = size - (bytes.length - (lastNewline + 1));
      return lines;
    } finally {
      await file.close();
    }
  }

  /** Whole lines that were written since the last look. A shorter file, or another one, was begun anew. */
  async readNew(): Promise<string[]> {
    const { size, ino } = await stat(this.path).catch(() => ({ size: 0, ino: 0 }));
    if (size < this.#offset || ino !== this.#inode) {
      this.#inode = ino;
      this.#offset = 0;
      this.#rest = Buffer.alloc(0);
    }
    if (size === this.#offset) return [];
    const file = await open(this.path, "r").catch(() => undefined);
    if (file === undefined) return [];
    try {
      const chunk = Buffer.alloc(size - this.#offset);
      const { bytesRead } = await file.read(chunk, 0, chunk.length, this.#offset);
      this.#offset += bytesRead;
      const bytes = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(newline) + 1;
      this.#rest = bytes.subarray(end);
      return linesOf(bytes.subarray(0, end), false);
    } finally {
      await file.close();
    }
  }
}

/** Whole lines; the first is dropped when `isCut`, because it began before the bytes did. */
function linesOf(bytes: Buffer, isCut: boolean): string[] {
  const end = bytes.lastIndexOf(newline);
  const begin = isCut ? bytes.indexOf(newline) + 1 : 0;
  if (end < begin) return [];
  return bytes
    .subarray(begin, end)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
}
