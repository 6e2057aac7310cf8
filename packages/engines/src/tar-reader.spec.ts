import { TarReader, type TarPart } from "./tar-reader.ts";

function header(path: string, type: string, size = 0, pointsTo = ""): Buffer {
  const block = Buffer.alloc(512);
  block.write(path, 0);
  block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(pointsTo, 157);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
const content = (text: string): Buffer =>
  Buffer.concat([Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)]);

const archive = Buffer.concat([
  header("base/", "5"),
  header("base/1", "0", 5),
  content("hello"),
  header("empty", "0", 0),
  header("link", "2", 0, "/elsewhere"),
  header("block", "0", 512),
  content("x".repeat(512)),
  Buffer.alloc(1_024),
]);

/** Parts as text, contents of one file joined. */
function read(chunks: Iterable<Buffer>): string[] {
  const reader = new TarReader();
  const seen: string[] = [];
  let text = "";
  const show = (part: TarPart) => {
    if (part.kind === "content") text += part.bytes.toString();
    else if (part.kind === "file-end") seen.push(`end:${text.length > 9 ? text.length : text}`);
    else seen.push(`${part.kind}:${part.path}`);
    if (part.kind !== "content") text = "";
  };
  for (const chunk of chunks) for (const part of reader.read(chunk)) show(part);
  expect(reader.isComplete).toBe(true);
  return seen;
}
const whole = ["folder:base", "file:base/1", "end:hello", "file:empty", "end:", "link:link", "file:block", "end:512"];

describe("TarReader", () => {
  it("tells folders, files with their content, and links", () => {
    expect(read([archive])).toEqual(whole);
  });

  it.each([1, 7, 511, 512, 513, 1_000])("reads the same from pieces of %d bytes", (size) => {
    const pieces = Array.from({ length: Math.ceil(archive.length / size) }, (_, index) =>
      archive.subarray(index * size, (index + 1) * size),
    );
    expect(read(pieces)).toEqual(whole);
  });

  it("knows that an archive was cut off", () => {
    const reader = new TarReader();
    void [...reader.read(archive.subarray(0, 1_026))];
    expect(reader.isComplete).toBe(false);
  });

  it("refuses a damaged header and what a base backup does not hold", () => {
    const damaged = Buffer.from(archive);
    damaged[3] = 0x58;
    expect(() => [...new TarReader().read(damaged)]).toThrow(/checksum/);
    expect(() => [...new TarReader().read(header("fifo", "6"))]).toThrow(/type "6"/);
  });
});
