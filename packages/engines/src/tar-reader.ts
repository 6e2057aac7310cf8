/**
 * Reads a tar archive as it comes, chunk by chunk, as PostgreSQL's base backup sends it: regular files, folders and
 * symbolic links, names of up to 99 characters, no extensions.
 *
 * It owns the bytes of an unfinished header only; contents pass through as they come.
 */
export type TarPart =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly pointsTo: string }
  | { readonly kind: "file"; readonly path: string; readonly sizeBytes: number }
  /** Of the file announced last. */
  | { readonly kind: "content"; readonly bytes: Buffer }
  /** The file announced last is complete. */
  | { readonly kind: "file-end" };

const blockBytes = 512;

const textField = (header: Buffer, from: number, length: number): string => {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
};

/** Octal digits, or (files from 8 GB) a big-endian number after a first byte of 0x80. */
function sizeField(header: Buffer): number {
  if (header[124] === 0x80) return Number(header.readBigUInt64BE(128));
  const text = textField(header, 124, 12).trim();
  const size = Number.parseInt(text === "" ? "0" : text, 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error(`A tar header gives the size as ${text}.`);
  return size;
}

function checkSum(header: Buffer): void {
  const given = Number.parseInt(textField(header, 148, 8).trim(), 8);
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== given) throw new Error("A tar header does not match its checksum: the stream is damaged.");
}

export class TarReader {
  #header = Buffer.alloc(0);
  #contentLeft = 0;
  #paddingLeft = 0;
  #isOver = false;

  /** True between entries and after the end: nothing is missing. */
  get isComplete(): boolean {
    return this.#header.length === 0 && this.#contentLeft === 0 && this.#paddingLeft === 0;
  }

  /** The parts that `chunk` completes or carries. @throws Error when it is no such archive. */
  *read(chunk: Buffer): Generator<TarPart> {
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      if (this.#contentLeft > 0) {
        const bytes = chunk.subarray(at, at + Math.min(this.#contentLeft, chunk.length - at));
        at += bytes.length;
        this.#contentLeft -= bytes.length;
        yield { kind: "content", bytes };
        if (this.#contentLeft === 0) yield { kind: "file-end" };
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(this.#paddingLeft, chunk.length - at);
        at += skipped;
        this.#paddingLeft -= skipped;
      } else {
        const taken = chunk.subarray(at, at + blockBytes - this.#header.length);
        at += taken.length;
        this.#header = Buffer.concat([this.#header, taken]);
        if (this.#header.length < blockBytes) return;
        const header = this.#header;
        this.#header = Buffer.alloc(0);
        yield* this.#begin(header);
      }
    }
  }

  *#begin(header: Buffer): Generator<TarPart> {
    if (header.every((byte) => byte === 0)) {
      this.#isOver = true;
      return;
    }
    checkSum(header);
    const path = textField(header, 0, 100).replace(/\/$/, "");
    const type = String.fromCharCode(header[156] ?? 0);
    switch (type) {
      case "5":
        yield { kind: "folder", path };
        return;
      case "2":
        yield { kind: "link", path, pointsTo: textField(header, 157, 100) };
        return;
      case "0":
      case "\0": {
        const sizeBytes = sizeField(header);
        this.#contentLeft = sizeBytes;
        this.#paddingLeft = (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
        yield { kind: "file", path, sizeBytes };
        if (sizeBytes === 0) yield { kind: "file-end" };
        return;
      }
      default:
        throw new Error(`A tar entry of type ${JSON.stringify(type)} (${path}) is not expected in a base backup.`);
    }
  }
}
