/** Single looks from outside: HTTP, PostgreSQL's door, a process, a disk. None of them throws. */
import { statfs } from "node:fs/promises";
import { get } from "node:http";
import { connect } from "node:net";
import type { Answer } from "./facts.ts";

const bodyLimit = 1_000_000;

/** GET with a limit on time and size. */
export function look(url: string, timeoutMs: number): Promise<Answer> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const fail = (reason: string) => resolve({ kind: "failed", reason });
    const sent = get(url, { agent: false, timeout: timeoutMs, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > bodyLimit) sent.destroy(new Error("its answer is too long"));
      });
      answer.once("end", () =>
        resolve({
          kind: "answered",
          status: answer.statusCode ?? 0,
          body: parsed(text),
          ms: performance.now() - startedAt,
        }),
      );
      answer.once("error", (error) => fail(reasonOf(error, timeoutMs)));
    });
    sent.once("error", (error) => fail(reasonOf(error, timeoutMs)));
  });
}

function reasonOf(error: NodeJS.ErrnoException, timeoutMs: number): string {
  if (error.code === "ECONNREFUSED") return "connection refused";
  if (error.name === "AbortError" || error.name === "TimeoutError") return `no answer within ${timeoutMs} ms`;
  return error.message;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// https://www.postgresql.org/docs/18/protocol-message-formats.html, SSLRequest: its length, 80877103. A postmaster
// that takes connections answers one byte, S or N; no user or password is needed for that.
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Why PostgreSQL does not answer at `url`; undefined when it does. */
export function knockAtPostgres(url: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let address: URL;
    try {
      address = new URL(url);
    } catch {
      resolve(`${url} is no address`);
      return;
    }
    const socket = connect(Number(address.port || 5432), address.hostname);
    const finish = (reason: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(() => finish(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.once("connect", () => socket.write(sslRequest));
    socket.once("data", (data) =>
      finish(data[0] === 0x53 || data[0] === 0x4e ? undefined : "something answers there, but it is not PostgreSQL"),
    );
    socket.once("error", (error) => finish(reasonOf(error, timeoutMs)));
    socket.once("close", () => finish("it closed the connection"));
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export async function diskRoom(folder: string): Promise<{ totalBytes: number; availableBytes: number } | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize };
  } catch {
    return undefined;
  }
}
