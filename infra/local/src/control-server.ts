/** The control interface: HTTP with JSON over a unix socket that only its owner may use (contracts/supervisor.ts). */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { controlAction, controlRequest, type ErrorCode } from "@understudy/contracts";
import { CallerError, toWire } from "@understudy/runtime/errors";
import type { ClusterControl } from "./control.ts";

const mostBytes = 64 * 1024;

const statusOf: Partial<Record<ErrorCode, number>> = {
  "unknown-instance": 404,
  "invalid-request": 400,
  conflict: 409,
  unavailable: 503,
};

export interface ControlDocuments {
  /** What stands in run.json. */
  run(): object;
  /** The plan, for the dev runner. */
  plan(): object;
}

export class ControlServer {
  readonly #server: Server;

  constructor(
    private readonly path: string,
    private readonly control: Pick<ClusterControl, "act">,
    private readonly documents: ControlDocuments,
  ) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<void> {
    rmSync(this.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      // Nobody else may connect, not even in the moment before the mode is set.
      const mask = process.umask(0o177);
      try {
        this.#server.listen(this.path, resolve);
      } finally {
        process.umask(mask);
      }
    });
    chmodSync(this.path, 0o600);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let status = 200;
    let body: object;
    try {
      body = await this.#handle(request);
    } catch (error) {
      const wire = toWire(error);
      status = statusOf[wire.code] ?? 500;
      body = wire;
    }
    response.writeHead(status, { "content-type": "application/json", connection: "close" });
    response.end(`${JSON.stringify(body)}\n`);
  }

  async #handle(request: IncomingMessage): Promise<object> {
    const path = (request.url ?? "").slice(1);
    if (request.method === "GET" && path === "run") return this.documents.run();
    if (request.method === "GET" && path === "plan") return this.documents.plan();
    const action = controlAction.safeParse(path);
    if (request.method !== "POST" || !action.success) {
      const actions = controlAction.options.map((each) => `POST /${each}`).join(", ");
      throw new CallerError("invalid-request", `Known requests: ${actions}, GET /run, GET /plan.`);
    }
    const { success, data, error } = controlRequest.safeParse(await readJson(request));
    if (success) return this.control.act(action.data, data.target, data.stay);
    const faults = error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
    throw new CallerError("invalid-request", `The request is invalid: ${faults.join("; ")}`, { faults });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw new CallerError("invalid-request", `The request is longer than ${mostBytes} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new CallerError("invalid-request", "The request is not JSON.", { cause });
  }
}
