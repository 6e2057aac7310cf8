import {
  DatabaseUnavailableError,
  OutcomeUnknownError,
  ReplayDivergedError,
  RolledBackError,
  TransactionLostError,
} from "@understudy/failover-pool";
import { StandingRefusedError } from "@understudy/runtime";
import { QueryFailedError, QueryRunnerAlreadyReleasedError } from "typeorm";
import { kindOfDatabaseError } from "./database-error.ts";

const withCode = (code: string): Error => Object.assign(new Error("said by PostgreSQL or the system"), { code });

describe("what an error of the database means", () => {
  it.each([
    ["40001", "conflict"],
    ["40P01", "conflict"],
    ["57P01", "lost"],
    ["57P03", "lost"],
    ["08006", "lost"],
    ["25006", "lost"],
    ["25P04", "lost"],
    ["53300", "lost"],
    ["ECONNREFUSED", "lost"],
    ["ECONNRESET", "lost"],
    ["EPIPE", "lost"],
    ["55P03", "busy"],
    ["57014", "busy"],
    ["53100", "busy"],
    ["58030", "busy"],
    ["23505", "fault"],
    ["22003", "fault"],
    ["42P01", "fault"],
    ["ERR_INVALID_ARG_TYPE", "fault"],
  ])("%s is %s", (code, kind) => {
    expect(kindOfDatabaseError(withCode(code))).toBe(kind);
  });

  it.each([
    "Connection terminated unexpectedly",
    "Connection terminated due to connection timeout",
    "timeout exceeded when trying to connect",
    "Client has encountered a connection error and is not queryable",
    "Query read timeout",
  ])('"%s", which has no code, is lost', (message) => {
    expect(kindOfDatabaseError(new Error(message))).toBe("lost");
  });

  it("looks into TypeORM's wrapping", () => {
    expect(kindOfDatabaseError(new QueryFailedError("SELECT 1", [], withCode("40P01")))).toBe("conflict");
    expect(kindOfDatabaseError(new QueryRunnerAlreadyReleasedError())).toBe("lost");
  });

  it("repeats what the pool says was not committed, and what it could not carry out leaves to the caller", () => {
    expect(kindOfDatabaseError(new ReplayDivergedError("SELECT 1", 2, "gave another result"))).toBe("conflict");
    expect(kindOfDatabaseError(new TransactionLostError("it is too long", undefined))).toBe("conflict");
    expect(kindOfDatabaseError(new RolledBackError())).toBe("conflict");
    expect(kindOfDatabaseError(new DatabaseUnavailableError("no primary", []))).toBe("lost");
    expect(kindOfDatabaseError(new OutcomeUnknownError("no primary", undefined, undefined))).toBe("lost");
  });

  it("knows a refused incarnation", () => {
    const incarnation = "01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10";
    expect(kindOfDatabaseError(new StandingRefusedError({ id: "app-server-a", incarnation }))).toBe("refused");
  });

  it.each([undefined, null, "text", new Error("anything else"), new TypeError("x is not a function")])(
    "takes %p for a fault",
    (error) => {
      expect(kindOfDatabaseError(error)).toBe("fault");
    },
  );
});
