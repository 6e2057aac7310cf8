/**
 * Time-sorted UUIDs (RFC 9562, version 7), made by the caller so that a repeated transaction enqueues the same job.
 * Within a millisecond a counter keeps the order; random bits come from a pool, for a call of the system costs more
 * than all the rest.
 */
import { randomFillSync } from "node:crypto";

const pool = Buffer.allocUnsafe(8 * 1024);
let poolAt = pool.length;
let lastMs = 0;
let counter = 0;

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const two = (value: number): string => hex[value & 0xff] as string;

export function uuidV7(): string {
  if (poolAt + 8 > pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const at = poolAt;
  poolAt += 8;
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    // Room for 2,048 more in this millisecond before time is borrowed.
    counter = ((pool[at] as number) << 3) | ((pool[at + 1] as number) & 7);
  } else if (++counter > 0xfff) {
    // More than fit into a millisecond, or a clock that went back: the time of the last one goes on.
    lastMs += 1;
    counter = 0;
  }
  const high = Math.floor(lastMs / 0x1_0000);
  const low = lastMs % 0x1_0000;
  const b = (index: number): string => two(pool[at + index] as number);
  return (
    `${two(high >>> 24)}${two(high >>> 16)}${two(high >>> 8)}${two(high)}-${two(low >>> 8)}${two(low)}-` +
    `7${(counter >>> 8).toString(16)}${two(counter)}-${two(((pool[at + 2] as number) & 0x3f) | 0x80)}${b(3)}-` +
    `${b(4)}${b(5)}${b(6)}${b(7)}${b(0)}${b(1)}`
  );
}
