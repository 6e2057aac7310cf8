import type { LoggerService } from "@nestjs/common";
import { pino, type Logger } from "pino";

export type Log = Logger;
/** Injection token of the service's logger. */
export const LOG = Symbol("LOG");

/** One JSON line per event on stdout; readable lines on a terminal. Every line carries who wrote it. */
export function createLog(level: string, format: "json" | "pretty", bindings: Readonly<Record<string, string>>): Log {
  const options = { level, base: bindings, timestamp: pino.stdTimeFunctions.isoTime };
  return format === "json"
    ? pino(options)
    : pino({ ...options, transport: { target: "pino-pretty", options: { ignore: "pid,hostname,cluster,site" } } });
}

/** Nest's own messages in our log. Nest is talkative at start: its `log` is our `debug`. */
export class NestLog implements LoggerService {
  constructor(private readonly log_: Log) {}
  private write(level: "debug" | "trace" | "warn" | "error" | "fatal", message: unknown, rest: unknown[]): void {
    const context = typeof rest.at(-1) === "string" ? rest.at(-1) : undefined;
    if (message instanceof Error) this.log_[level]({ err: message, context }, message.message);
    else this.log_[level]({ context }, typeof message === "string" ? message : JSON.stringify(message));
  }
  log(message: unknown, ...rest: unknown[]): void {
    this.write("debug", message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write("error", message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write("warn", message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write("trace", message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write("trace", message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write("fatal", message, rest);
  }
}
