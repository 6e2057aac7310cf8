/**
 * The floor: the least that a proxy on node:http and undici's `dispatch` can do. Round robin, hop-by-hop fields, nothing
 * else: no limits, no routing, no repeating.
 */
import { createServer, type IncomingHttpHeaders } from "node:http";
import { Pool } from "undici";

const [port, ...backends] = process.argv.slice(2).map(Number);
const pools = backends.map((backend) => new Pool(`http://127.0.0.1:${backend}`, { connections: 64, pipelining: 1 }));
const connectionFields = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
]);
const forwarded = (fields: IncomingHttpHeaders): IncomingHttpHeaders => {
  const kept: IncomingHttpHeaders = {};
  for (const name in fields) if (!connectionFields.has(name)) kept[name] = fields[name];
  return kept;
};

let turn = 0;
const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  turn = (turn + 1) % pools.length;
  const { headers } = request;
  const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  (pools[turn] as Pool).dispatch(
    {
      method: request.method as "GET",
      path: request.url as string,
      headers: forwarded(headers),
      body: hasBody ? request : null,
    },
    {
      onRequestStart(controller) {
        response.on("close", () => {
          if (!response.writableFinished) controller.abort(new Error("the user is gone"));
        });
      },
      onResponseStart(_controller, status, fields) {
        if (status >= 200) response.writeHead(status, forwarded(fields));
      },
      onResponseData(controller, chunk) {
        if (response.write(chunk)) return;
        controller.pause();
        response.once("drain", () => controller.resume());
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        if (response.headersSent) response.destroy();
        else response.writeHead(502, { "content-length": 0 }).end();
      },
    },
  );
});
server.listen({ host: "127.0.0.1", port, backlog: 1_024 });
