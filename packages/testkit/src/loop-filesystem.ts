/**
 * A small file system in a file (Linux, root, ext4): it can be full, and its power can be cut, which `kill -9` cannot
 * imitate: what was written and not synced is gone then, the page cache included.
 *
 * It owns a folder with the image and the mount point. Cut, it answers EIO until `remount`, which needs everything
 * that has files open on it to be gone.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { reaper } from "./registered.ts";

const mebibyte = 1_048_576;

// EXT4_IOC_SHUTDOWN of linux/ext4.h with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing reaches the disk from here on, the
// journal's last part neither. Node has no ioctl; Perl is on every Debian.
const cutPowerProgram =
  'open(my $at, "<", $ARGV[0]) or die "$ARGV[0]: $!"; my $how = pack("L", 2); ioctl($at, 0x8004587d, $how) or die "shutdown: $!";';

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** True when this process may make and mount file systems, and cut their power. */
export function canUseLoopFilesystems(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    const probe = LoopFilesystem.make({ sizeMiB: 8 });
    probe.cutPower();
    probe.remove();
    return true;
  } catch {
    return false;
  }
}

export class LoopFilesystem {
  readonly #folder = mkdtempSync(join(tmpdir(), "understudy-filesystem-"));
  readonly #forget: () => void;
  /** Where it is mounted; belongs to root, others may pass through. */
  readonly path = join(this.#folder, "mounted");

  private constructor(sizeMiB: number) {
    this.#forget = reaper.atEnd(["sh", "-c", `umount -l ${this.path}; rm -rf ${this.#folder}`]);
    chmodSync(this.#folder, 0o711);
    mkdirSync(this.path);
    writeFileSync(this.#image, "");
    truncateSync(this.#image, sizeMiB * mebibyte);
  }

  get #image(): string {
    return join(this.#folder, "image");
  }

  /** @throws Error with what the system said when it may not. */
  static make({ sizeMiB }: { readonly sizeMiB: number }): LoopFilesystem {
    const made = new LoopFilesystem(sizeMiB);
    try {
      run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", made.#image);
      made.#mount();
      return made;
    } catch (error) {
      made.remove();
      throw error;
    }
  }

  #mount(): void {
    run("mount", "-o", "loop", this.#image, this.path);
    chmodSync(this.path, 0o711);
  }

  /** From here on nothing is written any more and everything fails, as when the disk is pulled. */
  cutPower(): void {
    run("perl", "-e", cutPowerProgram, this.path);
  }

  /** The power is back. Waits until nobody holds a file of it open. */
  async remount(withinMs = 20_000): Promise<void> {
    await eventually(() => this.#isUnmounted(), { withinMs, describe: `nobody uses ${this.path}` });
    this.#mount();
  }

  #isUnmounted(): boolean {
    try {
      run("umount", this.path);
      return true;
    } catch {
      return false;
    }
  }

  remove(): void {
    if (!this.#isUnmounted()) {
      try {
        run("umount", "-l", this.path);
      } catch {
        // It never was mounted.
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
    this.#forget();
  }
}
