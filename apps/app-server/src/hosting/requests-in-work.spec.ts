import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { RequestsInWork } from "./requests-in-work.ts";

const add = (requests: RequestsInWork): EventEmitter => {
  const response = new EventEmitter();
  requests.add({
    request: {} as IncomingMessage,
    response: response as unknown as ServerResponse,
    state: "running",
  });
  return response;
};

describe("RequestsInWork", () => {
  it("counts a request until its answer has left", () => {
    const requests = new RequestsInWork();
    const response = add(requests);
    expect(requests.count).toBe(1);
    response.emit("close");
    expect(requests.count).toBe(0);
  });

  it("is idle when the last one is done", async () => {
    const requests = new RequestsInWork();
    const responses = [add(requests), add(requests)];
    const idle = requests.idle(60_000);
    for (const response of responses) response.emit("close");
    expect(await idle).toBe(true);
  });

  it("waits for no longer than it may", async () => {
    const requests = new RequestsInWork();
    add(requests);
    expect(await requests.idle(10)).toBe(false);
    expect(requests.count).toBe(1);
  });
});
