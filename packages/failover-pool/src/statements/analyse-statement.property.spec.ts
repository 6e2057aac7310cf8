import fc from "fast-check";
import { analyseStatement } from "./analyse-statement.ts";

/** Words that would change the kind of everything if they were read. */
const danger = fc.constantFrom(
  "; DELETE FROM t; ",
  "nextval('s')",
  "'",
  '"',
  "$$",
  "/*",
  "*/",
  "--",
  "INTO x",
  "FOR UPDATE",
  "BEGIN ATOMIC",
  "(INSERT",
  "\\",
  "E'",
  "$1",
  "\n",
);
const text = fc.array(fc.oneof(danger, fc.string({ maxLength: 6 })), { maxLength: 8 }).map((parts) => parts.join(""));
const withoutNul = text.map((value) => value.replaceAll("\0", ""));

const quoted = withoutNul.map((value) => `'${value.replaceAll("\\", "").replaceAll("'", "''")}'`);
const escaped = withoutNul.map((value) => `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`);
const dollars = fc
  .tuple(withoutNul, fc.constantFrom("$$", "$tag$", "$_1$"))
  .filter(
    ([value, tag]) =>
      !`${value}$`.includes(tag.slice(0, -1)) || !`${value}${tag}`.slice(0, -tag.length + 1).includes(tag),
  )
  .filter(([value, tag]) => `${value}${tag}`.indexOf(tag) === value.length)
  .map(([value, tag]) => `${tag}${value}${tag}`);
const string = fc.oneof(quoted, escaped, dollars);
const lineComment = withoutNul.map((value) => ` --${value.replaceAll(/[\r\n]/g, " ")}\n`);
const blockComment = withoutNul.map((value) => ` /*${value.replaceAll("/*", "").replaceAll("*/", "")} */ `);
const nested = blockComment.map((inner) => `/* ${inner} /* ; */ */`);
/** A comment that ends in "*" or "/" may join its own end; such texts are dropped. */
const comment = fc
  .oneof(lineComment, blockComment, nested)
  .filter(
    (value) => (value.match(/\/\*/g) ?? []).length === (value.match(/\*\//g) ?? []).length || value.startsWith(" --"),
  )
  .filter((value) => value.startsWith(" --") || !/\/\*\/|\*\/\*/.test(value));
const quotedName = withoutNul.filter((value) => value !== "").map((value) => `"${value.replaceAll('"', '""')}"`);

const gap = fc
  .array(fc.oneof(fc.constantFrom(" ", "\n", "\t"), comment), { maxLength: 3 })
  .map((all) => ` ${all.join("")} `);

const forms: readonly { kind: string; make: (gaps: string[], name: string, value: string) => string }[] = [
  { kind: "read", make: ([a, b, c], name, value) => `${a}SELECT${b}${name}, ${value}${c} FROM ${name}` },
  {
    kind: "read",
    make: ([a, b, c], name, value) => `${a}WITH ${name}${b}AS (SELECT ${value})${c}SELECT * FROM ${name}`,
  },
  { kind: "write", make: ([a, b, c], name, value) => `${a}INSERT${b}INTO ${name} VALUES (${value})${c}` },
  {
    kind: "write",
    make: ([a, b, c], name, value) => `${a}WITH x AS (DELETE FROM ${name}${b}RETURNING ${value}) SELECT 1${c}`,
  },
  { kind: "call", make: ([a, b, c], name, value) => `${a}SELECT f(${value})${b} AS ${name}${c}` },
  { kind: "ddl", make: ([a, b, c], name, value) => `${a}CREATE${b}TABLE ${name} AS SELECT ${value}${c}` },
  { kind: "commit", make: ([a, b, c]) => `${a}COMMIT${b}WORK${c}` },
  { kind: "savepoint", make: ([a, b], name) => `${a}SAVEPOINT${b}${name}` },
  { kind: "several", make: ([a, b, c], name, value) => `${a}SELECT ${value};${b}SELECT ${name}${c}` },
];

describe("whatever is quoted or commented", () => {
  it("never changes the kind of a statement, its parameters or what it calls", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        fc.tuple(gap, gap, gap),
        quotedName,
        string,
        ({ kind, make }, gaps, name, value) => {
          const statement = analyseStatement(make(gaps, name, value));
          expect(statement.kind).toBe(kind);
          expect(statement.highestParameter).toBe(0);
          const calls = statement.functions.map((called) => called.name);
          expect(calls.filter((called) => called !== "f" && called !== "values")).toEqual([]);
          expect(statement.locksRows).toBe(false);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("never makes a read of text that is cut off anywhere", () => {
    fc.assert(
      fc.property(text, (value) => {
        const statement = analyseStatement(`DELETE FROM t ${value}`);
        expect(["write", "unknown", "several"]).toContain(statement.kind);
        if (statement.kind === "several") expect(statement.parts[0]?.kind).toBe("write");
      }),
      { numRuns: 3_000 },
    );
  });
});
