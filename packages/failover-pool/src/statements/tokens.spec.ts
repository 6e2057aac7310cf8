import { tokensOf } from "./tokens.ts";

const shown = (text: string) => tokensOf(text)?.map(({ start, end }) => text.slice(start, end));

describe("tokens", () => {
  it.each([
    ["SELECT a.b, $1", ["SELECT", "a", ".", "b", ",", "$1"]],
    ["/* a /* nested */ b */ x -- rest\ny", ["x", "y"]],
    ["'it''s' x", ["'it''s'", "x"]],
    [String.raw`E'it\'s; x' y`, [String.raw`E'it\'s; x'`, "y"]],
    ["'a'\n 'b; c' d", ["'a'\n 'b; c'", "d"]],
    ["'a' -- joined\n 'b; c' d", ["'a' -- joined\n 'b; c'", "d"]],
    ["'a' 'b'", ["'a'", "'b'"]],
    [String.raw`E'a'` + "\n" + String.raw`'b\'c' d`, ["E'a'\n'b\\'c'", "d"]],
    ["$$ ; ' -- $$ x", ["$$ ; ' -- $$", "x"]],
    ["$a$ $$ $b$ $a$ x", ["$a$ $$ $b$ $a$", "x"]],
    ["a$b$c$b$ d", ["a$b$c$b$", "d"]],
    ["$1$x$y$x$", ["$1", "$x$y$x$"]],
    ['"a""b" "C"', ['"a""b"', '"C"']],
    ["U&'x' B'01' x'ff' N'y'", ["U&'x'", "B'01'", "x'ff'", "N'y'"]],
    ["1.5e10 .5 0x1F 1_000 1e", ["1.5e10", ".5", "0x1F", "1_000", "1", "e"]],
    ["a+-- b\n*/* c */d", ["a", "+", "*", "d"]],
    ["naïve\u00a0x y", ["naïve\u00a0x", "y"]],
  ])("of %j are %j", (text, expected) => {
    expect(shown(text)).toEqual(expected);
  });

  it("are told only when everything is closed and means one thing", () => {
    for (const text of ["'a", '"a', "/* a", "/* /* */", "$a$ $b$", "E'\\'", 'U&"\\0061"', "a\0b", String.raw`'a\'b'`])
      expect([text, tokensOf(text)]).toEqual([text, undefined]);
    // With standard_conforming_strings off or on, this one ends at the same place.
    expect(shown(String.raw`'a\\' b`)).toEqual([String.raw`'a\\'`, "b"]);
  });

  it("fold unquoted names as PostgreSQL does: ASCII only", () => {
    expect(tokensOf("SeLeCT ÄÖ \u212Aey")?.map(({ value }) => value)).toEqual(["select", "ÄÖ", "\u212Aey"]);
    expect(tokensOf('"SeLeCT"')?.[0]).toMatchObject({ type: "name", value: "SeLeCT" });
  });
});
