import { NotFoundException } from "@nestjs/common";
import { CallerError, OperationalError } from "@understudy/runtime";
import { problemOf } from "./problem.filter.ts";

describe("problemOf", () => {
  it.each([
    ["an unknown path", new NotFoundException("Cannot GET /x"), 404, "Cannot GET /x"],
    ["a body that is too large", Object.assign(new Error("too large"), { statusCode: 413 }), 413, "too large"],
    ["an error of the caller", new CallerError("invalid-request", "wrong"), 400, "wrong"],
    ["what may pass", new OperationalError("database-unavailable", "away"), 503, "away"],
  ])("gives %s its status and words", (_claim, error, status, detail) => {
    expect(problemOf(error)).toMatchObject({ type: "about:blank", status, detail });
  });

  it.each([
    ["an unknown error", new Error("secret")],
    ["no error at all", "secret"],
    ["a fault of Fastify", Object.assign(new Error("secret"), { statusCode: 500 })],
  ])("keeps the words of %s to the log", (_claim, error) => {
    const answer = problemOf(error);
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer)).not.toMatch("secret");
  });
});
