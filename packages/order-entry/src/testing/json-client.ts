import { Agent, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";

export type Attempt =
  | { readonly kind: "answered"; readonly status: number; readonly body: unknown }
  /** No whole answer: whether the request had an effect is unknown. */
  | { readonly kind: "broken"; readonly reason: string };

export interface JsonRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole answer. */
  readonly timeoutMs: number;
  /** Not one of the kept connections: after a failure they may all lead to the same dead end. */
  readonly onNewConnection?: boolean;
}

/** HTTP with JSON over kept connections; an attempt never rejects. */
export class JsonClient {
  readonly #agent: Agent;
  readonly #base: URL;

  /** `authority`: PEM; whom to believe behind an https URL. */
  constructor(
    baseUrl: string,
    connections: number,
    private readonly authority?: string,
  ) {
    this.#base = new URL(baseUrl);
    const options = { keepAlive: true, maxSockets: connections };
    this.#agent = this.#base.protocol === "https:" ? new TlsAgent(options) : new Agent(options);
  }

  attempt({ method, path, headers = {}, body, timeoutMs, onNewConnection = false }: JsonRequest): Promise<Attempt> {
    return new Promise((resolve) => {
      const isTls = this.#base.protocol === "https:";
      const sent = (isTls ? tlsRequest : request)(
        {
          ...(isTls && this.authority !== undefined && { ca: this.authority }),
          agent: onNewConnection ? false : this.#agent,
          hostname: this.#base.hostname,
          port: this.#base.port,
          method,
          path,
          headers: {
            ...headers,
            ...(body !== undefined && {
              "content-type": "application/json",
              "content-length": Buffer.byteLength(body),
            }),
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", (error) => settle({ kind: "broken", reason: reasonOf(error) }));
          answer.on("end", () => settle(readAnswer(answer.statusCode ?? 0, Buffer.concat(chunks).toString())));
        },
      );
      const timer = setTimeout(() => {
        settle({ kind: "broken", reason: "timeout" });
        sent.destroy();
      }, timeoutMs);
      const settle = (attempt: Attempt): void => {
        clearTimeout(timer);
        resolve(attempt);
      };
      sent.on("error", (error) => settle({ kind: "broken", reason: reasonOf(error) }));
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

const reasonOf = (error: Error): string => ("code" in error ? String(error.code) : error.message);

function readAnswer(status: number, text: string): Attempt {
  try {
    return { kind: "answered", status, body: JSON.parse(text) as unknown };
  } catch {
    return { kind: "broken", reason: `status ${status} without JSON` };
  }
}
