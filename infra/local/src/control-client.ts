/** Reads a document of a running supervisor over its control socket. */
import { request } from "node:http";
import { OperationalError } from "@understudy/runtime/errors";

/** @throws OperationalError when nobody answers. */
export function readFromSupervisor(socketPath: string, document: "run" | "plan"): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(new OperationalError("unavailable", `The supervisor does not answer on ${socketPath}: ${reason}.`));
    const sent = request({ socketPath, path: `/${document}`, timeout: 5_000, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("end", () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString("utf8")));
        } catch (error) {
          fail((error as Error).message);
        }
      });
    });
    sent.once("timeout", () => sent.destroy(new Error("it takes too long")));
    sent.once("error", (error) => fail(error.message));
    sent.end();
  });
}
