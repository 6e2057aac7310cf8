/**
 * A wrong clock for one Node process: off by so much, or running at another speed, from its very start. It is given
 * as NODE_OPTIONS, so nothing of it is in the process's own code. Shifted are Date and, with a speed, everything by
 * which a process measures and waits: performance.now, process.hrtime, timers. Engines (nats-server, PostgreSQL) keep
 * the computer's clock, as on a real machine whose Node process alone could never be wrong; so this is the harder case.
 */

export interface ClockFault {
  /** Ahead (positive) or behind. */
  readonly offsetMs?: number;
  /** 2: twice as fast, waits last half as long. */
  readonly speed?: number;
}

// Runs before anything else is loaded, in a process that knows nothing of the testkit: one text, no imports of ours.
const program = ({ offsetMs = 0, speed = 1 }: ClockFault): string => `
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import { syncBuiltinESMExports } from "node:module";
const [offsetMs, speed] = [${offsetMs}, ${speed}];
const RealDate = Date;
const now = RealDate.now.bind(RealDate);
const startedAt = now();
const wrongNow = () => Math.round(startedAt + (now() - startedAt) * speed + offsetMs);
globalThis.Date = class Date extends RealDate {
  constructor(...args) { args.length === 0 ? super(wrongNow()) : super(...args); }
  static now() { return wrongNow(); }
};
if (speed !== 1) {
  const performanceNow = performance.now.bind(performance);
  performance.now = () => performanceNow() * speed;
  const bigint = process.hrtime.bigint.bind(process.hrtime);
  process.hrtime.bigint = () => BigInt(Math.round(Number(bigint()) * speed));
  const wait = (ms) => Math.max(1, (Number(ms) || 0) / speed);
  for (const name of ["setTimeout", "setInterval"]) {
    const real = globalThis[name];
    const wrong = (callback, ms, ...args) => real(callback, wait(ms), ...args);
    for (const symbol of Object.getOwnPropertySymbols(real)) wrong[symbol] = (ms, ...rest) => real[symbol](wait(ms), ...rest);
    globalThis[name] = timers[name] = wrong;
  }
  const pause = timersPromises.setTimeout;
  timersPromises.setTimeout = (ms, ...rest) => pause(wait(ms), ...rest);
  syncBuiltinESMExports();
}
`;

/** The environment that gives a process this clock. */
export function withClock(fault: ClockFault): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program(fault))}` };
}
