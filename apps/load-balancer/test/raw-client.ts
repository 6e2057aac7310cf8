/** HTTP as bytes: what a well-behaved client library would never send. */
import { connect } from "node:net";

export interface RawAnswer {
  readonly text: string;
  /** Status codes of the answers, in order, as far as they begin with a status line. */
  readonly statuses: number[];
  /** The balancer closed the connection. */
  readonly closed: boolean;
}

export interface RawOptions {
  /** Stop waiting after so many answers (1) ... */
  readonly answers?: number;
  /** ... and this long after the last one, for what must not come. */
  readonly settleMs?: number;
  readonly withinMs?: number;
}

/** Sends the parts one after the other, then collects until the connection closes or enough answers have come. */
export async function sendRaw(
  port: number,
  parts: string | readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { answers = 1, settleMs = 60, withinMs = 5_000 } = options;
  return new Promise((resolve, reject) => {
    let text = "";
    let settle: NodeJS.Timeout | undefined;
    const socket = connect(port, "127.0.0.1");
    const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
    const end = (closed: boolean) => {
      clearTimeout(settle);
      clearTimeout(limit);
      socket.destroy();
      resolve({ text, statuses: statuses(), closed });
    };
    const limit = setTimeout(() => end(false), withinMs);
    socket.on("connect", () => {
      for (const part of typeof parts === "string" ? [parts] : parts) socket.write(part, "latin1");
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (statuses().filter((status) => status !== 100).length < answers) return;
      clearTimeout(settle);
      settle = setTimeout(() => end(false), settleMs);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") reject(error);
    });
    socket.on("close", () => end(true));
  });
}
