/**
 * D4: a wait for synchronous replication was cancelled, so what was answered is on one instance only, perhaps. A write
 * behind it that is waited for without a warning proves that it has arrived: the log is replicated in order.
 */
import type { ServerConnection } from "../connection/server-connection.ts";
import type { PoolCore } from "../pool/pool-core.ts";

const mostTries = 100;

/** @throws where it cannot be proven: no marker table, or the connection is lost meanwhile. */
export async function confirmAnswer(core: PoolCore, connection: ServerConnection): Promise<void> {
  if (!core.markers.isReady) throw new Error("A wait for synchronous replication was cancelled.");
  for (let tries = 0; tries < mostTries; tries++) {
    connection.syncWaitWasCancelled = false;
    await connection.ask(core.marker.insert(core.keys.next(), 0), []);
    if (!connection.syncWaitWasCancelled) return;
  }
  throw new Error("Waits for synchronous replication are cancelled again and again.");
}
