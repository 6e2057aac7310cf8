import type { Socket } from "node:net";

/**
 * Closes a socket at once, with a reset for the other side where that is possible.
 *
 * Not `resetAndDestroy`: that ends the socket first, and when the other side resets within that moment, Node 20 asks
 * libuv for a reset that libuv refuses while a shutdown is in work; the handle is then never closed, and Node spins
 * for ever at its exit. Its flag and an immediate `destroy` leave no such moment; without the flag it is a plain close.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const canReset = !socket.connecting && !socket.writableEnded;
  if (canReset) (socket as Socket & { resetAndClosing?: boolean }).resetAndClosing = true;
  socket.destroy();
}
