/** One request to a NATS server over its text protocol: all that readiness needs of a client. */
import { connect } from "node:net";
import { defaultHost, type NatsServerOptions } from "./nats-configuration.ts";

export type NatsAccess = Pick<NatsServerOptions, "host" | "clientPort" | "user" | "password">;

const inbox = "_INBOX.understudy.ready";

/** The payload of the first message in `text` once it is there whole. Headers (`HMSG`) mean: nobody answers. */
export function firstMessage(text: string): { readonly payload: string } | { readonly failure: string } | undefined {
  const refusal = /^-ERR '?(.*?)'?\r\n/m.exec(text);
  if (refusal) return { failure: refusal[1] ?? "refused" };
  if (/^HMSG .*\r\n/m.test(text)) return { failure: "nobody answers the request" };
  const head = /^MSG \S+ \S+ (?:\S+ )?(\d+)\r\n/m.exec(text);
  if (head === null) return undefined;
  const start = head.index + head[0].length;
  const payload = text.slice(start, start + Number(head[1]));
  return payload.length === Number(head[1]) ? { payload } : undefined;
}

/** Sends `request` and returns the answer, both JSON. Rejects after `timeoutMs`, or when refused. */
export function natsRequest(
  access: NatsAccess,
  subject: string,
  request: object,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: access.host ?? defaultHost, port: access.clientPort });
    const body = JSON.stringify(request);
    const introduction = JSON.stringify({
      verbose: false,
      pedantic: false,
      lang: "node",
      version: "1",
      name: "understudy-ready",
      ...(access.user !== undefined && { user: access.user, pass: access.password }),
      protocol: 1,
      headers: true,
      no_responders: true,
    });
    let text = "";
    const timer = setTimeout(() => fail(`${subject} was not answered within ${timeoutMs} ms`), timeoutMs);
    const fail = (reason: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(reason));
    };
    socket.setEncoding("latin1");
    socket.once("error", (error) => fail(error.message));
    socket.once("close", () => fail("the server closed the connection"));
    socket.once("connect", () => {
      socket.write(`CONNECT ${introduction}\r\nSUB ${inbox} 1\r\n`);
      socket.write(`PUB ${subject} ${inbox} ${Buffer.byteLength(body)}\r\n${body}\r\n`);
    });
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (/^PING\r\n/m.test(chunk)) socket.write("PONG\r\n");
      const message = firstMessage(text);
      if (message === undefined) return;
      if ("failure" in message) return fail(message.failure);
      clearTimeout(timer);
      socket.destroy();
      resolve(JSON.parse(Buffer.from(message.payload, "latin1").toString("utf8")) as Record<string, unknown>);
    });
  });
}
