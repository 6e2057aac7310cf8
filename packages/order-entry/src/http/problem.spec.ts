import { HttpException, NotFoundException } from "@nestjs/common";
import { OperationalError, StandingRefusedError } from "@understudy/runtime";
import { problem, problemOf } from "./problem.ts";
import { RequestError } from "./request-error.ts";

const withCode = (code: string): Error => Object.assign(new Error("secret detail"), { code });

describe("the problem of an error", () => {
  it("names the fields of an invalid request", () => {
    const error = new RequestError(400, "The request is not valid.", [{ field: "/customerId", message: "is missing" }]);
    expect(problemOf(error)).toEqual({
      type: "urn:understudy:problem:bad-request",
      title: "Bad Request",
      status: 400,
      detail: "The request is not valid.",
      retryable: false,
      errors: [{ field: "/customerId", message: "is missing" }],
    });
  });

  it.each([
    ["a lost connection", withCode("ECONNRESET")],
    ["a database that shuts down", withCode("57P01")],
    ["a deadlock that repeating did not solve", withCode("40P01")],
    ["a lock not had in time", withCode("55P03")],
    ["a full disk", withCode("53100")],
    ["a refused incarnation", new StandingRefusedError({ id: "app-server-a", incarnation: "x" })],
    ["an operational error of ours", new OperationalError("unavailable", "stopping")],
  ])("is 503 and retryable for %s", (_what, error) => {
    expect(problemOf(error)).toMatchObject({ status: 503, retryable: true });
  });

  it("keeps Nest's and Fastify's status below 500", () => {
    expect(problemOf(new NotFoundException("Cannot GET /x"))).toMatchObject({ status: 404, detail: "Cannot GET /x" });
    expect(problemOf(new HttpException("Request body is too large", 413))).toMatchObject({ status: 413 });
  });

  it.each([
    ["a bug", new TypeError("secret detail")],
    ["a constraint", withCode("23505")],
    ["no error at all", "secret detail"],
  ])("is 500 for %s and keeps its text to the log", (_what, error) => {
    const told = problemOf(error);
    expect(told).toMatchObject({ status: 500, retryable: false });
    expect(JSON.stringify(told)).not.toContain("secret");
  });

  it("always has the documented form", () => {
    for (const error of [
      new RequestError(409, "x"),
      withCode("57P01"),
      new NotFoundException(),
      new Error("x"),
      undefined,
    ]) {
      expect(problem.strict().safeParse(problemOf(error)).error).toBeUndefined();
    }
  });
});
