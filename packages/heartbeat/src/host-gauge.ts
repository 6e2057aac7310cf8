import { readFile, statfs } from "node:fs/promises";
import { availableParallelism, freemem, loadavg, totalmem } from "node:os";
import type { HostFigures } from "@understudy/contracts";

const sampleMs = 1_000;

/** `MemAvailable` of /proc/meminfo in bytes; undefined where the text has none (other systems than Linux). */
export function memoryAvailableBytes(meminfo: string): number | undefined {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1_024;
}

/**
 * Load, memory and disk of the machine, sampled at most once a second and off the beat's path: a disk that hangs
 * delays no beat. A disk that cannot be read has 0 bytes in total, which means "unknown".
 */
export class HostGauge {
  #figures: HostFigures = {
    ...loadAndMemory(undefined),
    diskTotalBytes: 0,
    diskAvailableBytes: 0,
  };
  #sampledAt = Number.NEGATIVE_INFINITY;
  #sampling = false;

  constructor(private readonly dataDir: string) {}

  /** The figures of the latest sample; begins a new one when that is old. */
  read(): HostFigures {
    if (!this.#sampling && performance.now() - this.#sampledAt >= sampleMs) void this.sample();
    return this.#figures;
  }

  /** Never rejects. */
  async sample(): Promise<void> {
    this.#sampling = true;
    const [meminfo, disk] = await Promise.allSettled([readFile("/proc/meminfo", "utf8"), statfs(this.dataDir)]);
    this.#figures = {
      ...loadAndMemory(meminfo.status === "fulfilled" ? memoryAvailableBytes(meminfo.value) : undefined),
      diskTotalBytes: disk.status === "fulfilled" ? disk.value.blocks * disk.value.bsize : 0,
      diskAvailableBytes: disk.status === "fulfilled" ? disk.value.bavail * disk.value.bsize : 0,
    };
    this.#sampledAt = performance.now();
    this.#sampling = false;
  }
}

function loadAndMemory(availableBytes: number | undefined) {
  return {
    loadPerCpu: loadavg()[0]! / availableParallelism(),
    memoryTotalBytes: totalmem(),
    memoryAvailableBytes: availableBytes ?? freemem(),
  };
}
