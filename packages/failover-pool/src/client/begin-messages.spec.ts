import { beginMessages } from "./begin-messages.ts";

it("is Parse, Bind, Execute, each with its length, and no Sync", () => {
  const bytes = beginMessages("BEGIN");
  const types: string[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at + 1) + 1)
    types.push(String.fromCharCode(bytes[at] ?? 0));
  expect(types).toEqual(["P", "B", "E"]);
  expect(bytes.includes("\0BEGIN\0")).toBe(true);
  expect(beginMessages("BEGIN")).toBe(bytes);
});
