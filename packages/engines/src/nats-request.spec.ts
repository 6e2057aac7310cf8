import { firstMessage } from "./nats-request.ts";

const greeting = 'INFO {"server_name":"a"}\r\nPING\r\n';

describe("firstMessage", () => {
  it("is there once all its bytes are, with and without a reply subject", () => {
    expect(firstMessage(`${greeting}MSG inbox 1 5\r\nhel`)).toBeUndefined();
    expect(firstMessage(`${greeting}MSG inbox 1 5\r\nhello\r\n`)).toEqual({ payload: "hello" });
    expect(firstMessage(`${greeting}MSG inbox 1 reply 5\r\nhello\r\n`)).toEqual({ payload: "hello" });
  });
  it("takes a refusal and an answer without responders as failures", () => {
    expect(firstMessage(`${greeting}-ERR 'Authorization Violation'\r\n`)).toEqual({
      failure: "Authorization Violation",
    });
    expect(firstMessage(`${greeting}HMSG inbox 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n`)).toEqual({
      failure: "nobody answers the request",
    });
  });
});
