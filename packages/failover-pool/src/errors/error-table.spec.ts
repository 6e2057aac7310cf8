import { kindOfError, reasonOf, type ErrorKind } from "./error-table.ts";

const withCode = (code: string, more: object = {}): Error => Object.assign(new Error("text"), { code, ...more });

const table: [unknown, ErrorKind][] = [
  [withCode("57P01"), "lost"],
  [withCode("57P02"), "lost"],
  [withCode("08006"), "lost"],
  [withCode("ECONNREFUSED"), "lost"],
  [withCode("ECONNRESET"), "lost"],
  [new Error("Connection terminated unexpectedly"), "lost"],
  [new Error("timeout expired"), "lost"],
  [withCode("57P03"), "starting"],
  [withCode("25006"), "not-primary"],
  [withCode("53300"), "full"],
  [withCode("28P01"), "told"],
  [withCode("28000", { routine: "InitializeSessionUserId" }), "told"],
  [withCode("28000", { routine: "ClientAuthentication" }), "kept-out"],
  [withCode("3D000"), "told"],
  [withCode("25P04"), "ended"],
  [withCode("40001"), "conflict"],
  [withCode("40P01"), "conflict"],
  [withCode("53100"), "statement"],
  [withCode("08P01"), "statement"],
  [withCode("23505"), "statement"],
  [new Error("Query read timeout"), "statement"],
  ["a string", "statement"],
  [undefined, "statement"],
];

it.each(table)("%p is %s", (error, kind) => {
  expect(kindOfError(error)).toBe(kind);
});

it("gives reasons with their code", () => {
  expect(reasonOf(withCode("53100"))).toBe("text (53100)");
  expect(reasonOf("why")).toBe("why");
});
