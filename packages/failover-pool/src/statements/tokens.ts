/**
 * The lexical rules of PostgreSQL (manual 4.1, scan.l), as far as they decide what is text and what is not.
 *
 * Told apart: white space and comments (nested) give no tokens; quoted identifiers; strings, also E'', U&'', B'', X'',
 * N'' and continued on another line; dollar quotes; `$n`; numbers. Everything else is one token for each character.
 *
 * Strings are read as `standard_conforming_strings = on` (the default since 2010) reads them. A string that would end
 * elsewhere with it off, one with an odd number of backslashes before a quote, makes the whole text ambiguous.
 */
export type TokenType = "word" | "name" | "string" | "number" | "parameter" | "symbol";

export interface Token {
  readonly type: TokenType;
  /** word: in lower case. name: without its quotes. string: its content where it is a plain one, else undefined. */
  readonly value: string | undefined;
  readonly start: number;
  readonly end: number;
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
/** Everything beyond ASCII may stand in an identifier, what Unicode calls white space too. */
const startsIdentifier = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code >= 128;
const continuesIdentifier = (code: number): boolean => startsIdentifier(code) || isDigit(code) || code === 36;

const numberPattern =
  /0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?/y;
const dollarPattern = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)?\$/y;
/** What may stand between two parts of one string: white space with a line break, line comments. */
const continuationPattern = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:\s|--[^\n\r]*[\n\r])*'/y;

/** PostgreSQL folds ASCII only; `toLowerCase` would make a "k" of the Kelvin sign. */
export const foldCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

class Reader {
  readonly tokens: Token[] = [];
  #at = 0;

  constructor(private readonly text: string) {}

  /** False when the text is ambiguous or something in it is not closed. */
  read(): boolean {
    const { text } = this;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (isSpace(code)) this.#at++;
      else if (!this.#readOne(code)) return false;
    }
    return true;
  }

  #readOne(code: number): boolean {
    const next = this.text.charCodeAt(this.#at + 1);
    if (code === 45 && next === 45) return this.#skipLine();
    if (code === 47 && next === 42) return this.#skipComment();
    if (code === 39) return this.#string(this.#at, "plain");
    if (code === 34) return this.#quotedName();
    if (code === 36) return this.#dollar(next);
    if (isDigit(code) || (code === 46 && isDigit(next))) return this.#number();
    if (startsIdentifier(code)) return this.#word(code, next);
    // 0 would end the text on its way to the server.
    if (code === 0) return false;
    return this.#push("symbol", this.text[this.#at], this.#at + 1);
  }

  #push(type: TokenType, value: string | undefined, end: number): true {
    this.tokens.push({ type, value, start: this.#at, end });
    this.#at = end;
    return true;
  }

  #skipLine(): true {
    while (this.#at < this.text.length && this.text[this.#at] !== "\n" && this.text[this.#at] !== "\r") this.#at++;
    return true;
  }

  #skipComment(): boolean {
    let depth = 0;
    const mark = /\/\*|\*\//g;
    mark.lastIndex = this.#at;
    for (let found = mark.exec(this.text); found !== null; found = mark.exec(this.text)) {
      depth += found[0] === "/*" ? 1 : -1;
      if (depth > 0) continue;
      this.#at = mark.lastIndex;
      return true;
    }
    return false;
  }

  /** `at` is the opening quote; the token begins at `#at`, with its prefix. */
  #string(quoteAt: number, sort: "plain" | "escapes" | "other"): boolean {
    const { text } = this;
    let content = "";
    for (let at = quoteAt + 1; at < text.length; at++) {
      const char = text[at];
      if (char === "\\" && sort === "escapes") at++;
      else if (char === "'") {
        if (sort !== "escapes" && this.#hasOddBackslashesBefore(at)) return false;
        if (text[at + 1] === "'") {
          content += "'";
          at++;
          continue;
        }
        continuationPattern.lastIndex = at + 1;
        if (!continuationPattern.test(text))
          return this.#push("string", sort === "plain" ? content : undefined, at + 1);
        at = continuationPattern.lastIndex - 1;
      } else content += char;
    }
    return false;
  }

  #hasOddBackslashesBefore(quoteAt: number): boolean {
    let count = 0;
    while (this.text[quoteAt - 1 - count] === "\\") count++;
    return count % 2 === 1;
  }

  #quotedName(): boolean {
    let end = this.#at;
    do end = this.text.indexOf('"', end + 1);
    while (end !== -1 && this.text[end + 1] === '"' && end++ > 0);
    if (end === -1) return false;
    return this.#push("name", this.text.slice(this.#at + 1, end).replaceAll('""', '"'), end + 1);
  }

  #dollar(next: number): boolean {
    const { text } = this;
    if (isDigit(next)) {
      let end = this.#at + 1;
      while (isDigit(text.charCodeAt(end))) end++;
      return this.#push("parameter", text.slice(this.#at + 1, end), end);
    }
    dollarPattern.lastIndex = this.#at;
    const delimiter = dollarPattern.exec(text)?.[0];
    if (delimiter === undefined) return this.#push("symbol", "$", this.#at + 1);
    const closing = text.indexOf(delimiter, this.#at + delimiter.length);
    if (closing === -1) return false;
    return this.#push("string", undefined, closing + delimiter.length);
  }

  #number(): true {
    numberPattern.lastIndex = this.#at;
    const digits = numberPattern.exec(this.text)?.[0] ?? this.text.slice(this.#at, this.#at + 1);
    return this.#push("number", digits, this.#at + digits.length);
  }

  #word(code: number, next: number): boolean {
    const letter = code | 32;
    if (next === 39 && (letter === 101 || letter === 110 || letter === 98 || letter === 120))
      return this.#string(this.#at + 1, letter === 101 ? "escapes" : "other");
    if (letter === 117 && next === 38) {
      const quote = this.text.charCodeAt(this.#at + 2);
      if (quote === 39) return this.#string(this.#at + 2, "other");
      // U&"d\0061t": a name that would have to be decoded.
      if (quote === 34) return false;
    }
    let end = this.#at + 1;
    while (continuesIdentifier(this.text.charCodeAt(end))) end++;
    return this.#push("word", foldCase(this.text.slice(this.#at, end)), end);
  }
}

/** Undefined where the text is ambiguous or something in it is not closed. */
export function tokensOf(text: string): readonly Token[] | undefined {
  const reader = new Reader(text);
  return reader.read() ? reader.tokens : undefined;
}

export const isWord = (token: Token | undefined, ...values: readonly string[]): boolean =>
  token?.type === "word" && values.includes(token.value ?? "");

export const isSymbol = (token: Token | undefined, value: string): boolean =>
  token?.type === "symbol" && token.value === value;

export const isIdentifier = (token: Token | undefined): token is Token & { readonly value: string } =>
  token?.type === "word" || token?.type === "name";

/** The index behind the bracket that closes the one at `open`; undefined where none does. */
export function behindBrackets(tokens: readonly Token[], open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (isSymbol(tokens[at], "(")) depth++;
    else if (isSymbol(tokens[at], ")") && --depth === 0) return at + 1;
  }
  return undefined;
}
