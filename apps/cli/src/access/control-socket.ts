/** The supervisor's control interface: HTTP with JSON over a unix socket (contracts/supervisor.ts). */
import { request } from "node:http";
import { connect } from "node:net";
import { resolve } from "node:path";
import { controlReply, wireError, type ControlAction, type ControlReply, type RunFile } from "@understudy/contracts";
import { fromWire, InvariantError, OperationalError } from "@understudy/runtime/errors";

/** Stopping a service lets it drain (UNDERSTUDY_STOP_TIMEOUT_MS, 25 s), so an answer may take that long. */
const answerMs = 35_000;

export class ControlSocket {
  constructor(
    private readonly run: RunFile,
    private readonly stateFolder: string,
  ) {}

  get path(): string {
    return resolve(this.stateFolder, this.run.supervisor.controlSocket);
  }

  /** @throws CallerError or OperationalError of the supervisor, or OperationalError when it does not answer. */
  async act(action: ControlAction, target: string, stay: boolean, signal: AbortSignal): Promise<ControlReply> {
    const { status, text } = await this.#post(`/${action}`, JSON.stringify({ target, stay }), signal);
    const body = parsed(text);
    if (status >= 200 && status < 300) {
      const reply = controlReply.safeParse(body);
      if (reply.success) return reply.data;
      throw new InvariantError(`The supervisor answered in a form that its contract does not know: ${text}`);
    }
    const known = wireError.safeParse(body);
    if (known.success) throw fromWire(known.data);
    throw new OperationalError("refused", `The supervisor answered ${status}: ${text || "nothing"}`);
  }

  /** Whether somebody accepts connections on the socket. */
  answers(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.path);
      const finish = (answers: boolean) => {
        socket.destroy();
        resolve(answers);
      };
      socket.setTimeout(timeoutMs, () => finish(false));
      socket.once("connect", () => finish(true));
      socket.once("error", () => finish(false));
    });
  }

  #post(path: string, body: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException) => reject(this.#unreachable(error));
      const sent = request(
        {
          socketPath: this.path,
          method: "POST",
          path,
          headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
          timeout: answerMs,
          signal,
          agent: false,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.once("end", () =>
            resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
          );
          answer.once("error", fail);
        },
      );
      sent.once("timeout", () => sent.destroy(new Error(`no answer within ${answerMs / 1_000} s`)));
      sent.once("error", fail);
      sent.end(body);
    });
  }

  #unreachable(error: NodeJS.ErrnoException): OperationalError {
    const { pid } = this.run.supervisor;
    const isGone = error.code === "ENOENT" || error.code === "ECONNREFUSED";
    return new OperationalError(
      "unavailable",
      isGone
        ? `The supervisor (pid ${pid}) does not listen on ${this.path}: the cluster was stopped. Start it: npm start.`
        : `The supervisor (pid ${pid}) does not answer on ${this.path}: ${error.message}.`,
      { cause: error },
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
