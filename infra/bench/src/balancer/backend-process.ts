/** A process that stands for an app server: 1 KB of JSON for every request, the body of a POST read to its end. */
import { createServer } from "node:http";

const port = Number(process.argv[2]);
const text = JSON.stringify({
  items: Array.from({ length: 12 }, (_, id) => ({ id, name: `item ${id}`, note: "x".repeat(47) })),
});
const body = Buffer.from(text.padEnd(1_024));
const head = ["content-type", "application/json", "content-length", String(body.length)];

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  const answer = () => {
    response.writeHead(200, head);
    response.end(body);
  };
  if (request.method === "POST") request.on("end", answer).resume();
  else answer();
});
server.listen({ host: "127.0.0.1", port, backlog: 1_024 });
