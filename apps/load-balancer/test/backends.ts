/** App servers for tests: real listeners that behave as told. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";

export interface Backend {
  readonly url: string;
  /** Requests (HTTP) or connections (raw) that reached it. */
  count: number;
  /** As a kill does: the port closed, every connection reset. */
  kill(): Promise<void>;
  /** The same port again. */
  revive(): Promise<void>;
}

async function backendOf(server: Server): Promise<Backend> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    count: 0,
    async kill() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) {
        // Node 20 leaks a handle that is reset while it shuts down, and then never ends.
        if (socket.writableEnded) socket.destroy();
        else socket.resetAndDestroy();
      }
      await closed;
    },
    async revive() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

/** An HTTP server; without a listener it echoes what it got as JSON. */
export async function httpBackend(listener?: RequestListener): Promise<Backend> {
  const server = createHttpServer({ keepAliveTimeout: 75_000 });
  const backend = await backendOf(server);
  server.on("request", (request, response) => {
    backend.count++;
    if (listener) return listener(request, response);
    const answer = (body: Buffer) => {
      const text = JSON.stringify({
        backend: backend.url,
        method: request.method,
        url: request.url,
        headers: request.rawHeaders,
        body: body.toString("latin1"),
      });
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      response.end(text);
    };
    // A sender that breaks off gets no answer.
    readAll(request).then(answer, () => undefined);
  });
  return backend;
}

/** Raw TCP: `onData` is called with everything received so far on the connection. */
export async function rawBackend(onData: (socket: Socket, received: string) => void): Promise<Backend> {
  const server = createTcpServer();
  const backend = await backendOf(server);
  server.on("connection", (socket) => {
    backend.count++;
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      onData(socket, received);
    });
  });
  return backend;
}

const deafListener = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    process.stdout.write(String(server.address().port));
  });
`;

/** A frozen process whose queue of connections is full: further attempts are swallowed, as by a machine that is gone. */
export async function deafBackend(): Promise<Backend> {
  const child = spawn(process.execPath, ["-e", deafListener], { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(output.toString());
  child.kill("SIGSTOP");
  const fillers: Socket[] = [];
  for (let isFull = false; !isFull && fillers.length < 64;) {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    fillers.push(socket);
    isFull = await Promise.race([
      once(socket, "connect").then(() => false),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 300)),
    ]);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    count: 0,
    async kill() {
      for (const socket of fillers) socket.destroy();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    revive: () => Promise.reject(new Error("A deaf backend stays dead.")),
  };
}

export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
