import { readAnswerHead } from "./answer-head.ts";

const bytes = (...fields: string[]) => fields.map((field) => Buffer.from(field, "latin1"));

describe("readAnswerHead", () => {
  it("passes fields on as they are, doubled ones and other alphabets too", () => {
    const fields = ["Content-Type", "text/plain", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Name", "J\u00fcrgen"];
    expect(readAnswerHead(200, bytes(...fields)).headers).toEqual(fields);
  });

  it("leaves connection fields behind, and those that Connection names, but for the essential ones", () => {
    const { headers, contentLength } = readAnswerHead(
      200,
      bytes(
        "Connection",
        "close, X-Mine, Content-Length",
        "X-Mine",
        "1",
        "Keep-Alive",
        "timeout=5",
        "Transfer-Encoding",
        "chunked",
        "Trailer",
        "x",
        "Content-Length",
        "7",
      ),
    );
    expect(headers).toEqual(["Content-Length", "7"]);
    expect(contentLength).toBe(7);
  });

  it("recognises what an app server says of itself, in a 503 only", () => {
    expect(readAnswerHead(503, bytes("Understudy-Not-Taken", "1"))).toMatchObject({
      isNotTaken: true,
      isInterrupted: false,
    });
    expect(readAnswerHead(503, bytes("understudy-interrupted", "1"))).toMatchObject({
      isNotTaken: false,
      isInterrupted: true,
    });
    expect(readAnswerHead(200, bytes("Understudy-Not-Taken", "1"))).toMatchObject({ isNotTaken: false });
  });

  it("gives 204 no length", () => {
    expect(readAnswerHead(204, bytes("Content-Length", "0")).headers).toEqual([]);
  });
});
