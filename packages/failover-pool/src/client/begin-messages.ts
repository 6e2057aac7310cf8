/**
 * BEGIN as three messages of the extended protocol (Parse, Bind, Execute), without Describe and without Sync: it is
 * answered by one CommandComplete, and whatever follows up to the next Sync is skipped if it fails.
 */
import { Buffer } from "node:buffer";

const known = new Map<string, Buffer>();

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function beginMessages(text: string): Buffer {
  const made = known.get(text);
  if (made !== undefined) return made;
  // Unnamed statement, text, no types of parameters.
  const parse = message("P", Buffer.concat([Buffer.from(`\0${text}\0`, "utf8"), Buffer.alloc(2)]));
  // Unnamed portal, unnamed statement, no formats, no parameters, no formats of results.
  const bind = message("B", Buffer.alloc(8));
  // Unnamed portal, all rows.
  const execute = message("E", Buffer.alloc(5));
  const all = Buffer.concat([parse, bind, execute]);
  if (known.size < 100) known.set(text, all);
  return all;
}
