/**
 * Requests to leave HTTP: `Upgrade` and CONNECT. None is served; a tunnel to an app server would begin here.
 *
 * Without a listener for `upgrade`, Node hands such requests over like any others, which is what RFC 9110 7.8 wants
 * for protocols that a server does not know: some clients offer h2c with every first request. Only for WebSocket
 * would an ordinary answer mislead.
 */
import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { problems, problemText } from "./problem.ts";

export const isRefusedUpgrade = (protocols: string): boolean =>
  protocols.split(",").some((protocol) => /^websocket(?:\/|$)/i.test(protocol.trim()));

/** CONNECT takes the connection out of HTTP, so it has no response object. */
export function refuseConnect(server: Server): void {
  server.on("connect", (_request, socket: Duplex) => {
    socket.on("error", () => undefined);
    socket.end(problemText(problems.connect));
  });
}
