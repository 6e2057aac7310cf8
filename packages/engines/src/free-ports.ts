import { createServer, type Server } from "node:net";

/** Below the range that systems take for outgoing connections (from 32768), or one of those might take ours. */
const firstPort = 15_000;
const lastPort = 31_999;
const handedOut = new Set<number>();

const listens = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => resolve(server));
  });

/** Ports that nobody listens on now; this process never gets the same one twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 1_000 + count * 20) throw new Error(`No ${count} free ports between ${firstPort} and ${lastPort}.`);
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    if (handedOut.has(port)) continue;
    const server = await listens(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    handedOut.add(port);
    ports.push(port);
  }
  return ports;
}
