/**
 * Opens a connection to an app server within `timeoutMs`. The HTTP client's own time-out ticks once a second, too coarse
 * for a machine that swallows packets while requests wait.
 */
import { connect, type Socket } from "node:net";
import type { buildConnector } from "undici";

export class ConnectTimeoutError extends Error {
  readonly code = "ETIMEDOUT";
  constructor(host: string, timeoutMs: number) {
    super(`No connection to ${host} within ${timeoutMs} ms.`);
    this.name = "ConnectTimeoutError";
  }
}

// A machine that went silent is noticed on idle connections too.
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 5_000, highWaterMark: 64 * 1024 };

export const timedConnector =
  (timeoutMs: number): buildConnector.connector =>
  (options, callback) => {
    const port = Number(options.port === "" ? 80 : options.port);
    const connection = { host: options.hostname, port, ...socketOptions };
    const socket: Socket = connect(connection);
    const fail = (error: Error) => {
      clearTimeout(timer);
      callback(error, null);
    };
    const timer = setTimeout(
      () => socket.destroy(new ConnectTimeoutError(`${options.hostname}:${port}`, timeoutMs)),
      timeoutMs,
    );
    socket.once("error", fail).once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      callback(null, socket);
    });
  };
