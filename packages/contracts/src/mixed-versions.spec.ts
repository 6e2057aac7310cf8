import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { closedToMore, fixtureOf, unreadable, unreadableThere, wireForms, type Fixture } from "./testing/index.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "fixtures");
const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(...path), "utf8"));
const { version: present } = read(root, "package.json") as { version: string };
const fixtures = readdirSync(folder).flatMap((version) =>
  readdirSync(join(folder, version)).map((file) => ({
    version,
    contract: file.replace(/\.json$/, ""),
    fixture: read(folder, version, file) as Fixture,
  })),
);
const asked = (contract: string) => {
  const forms = wireForms.get(contract);
  if (forms === undefined) throw new RangeError(`no ${contract}`);
  return forms;
};

describe("services of different versions beside each other", () => {
  it.each(fixtures)("today's read $contract of $version", ({ version, contract, fixture }) => {
    expect(unreadable(version, fixture, wireForms.get(contract))).toEqual([]);
  });

  it.each(fixtures.filter(({ contract }) => wireForms.has(contract)))(
    "those of $version read today's $contract",
    ({ version, contract, fixture }) => {
      expect(unreadableThere(version, fixture, asked(contract))).toEqual([]);
    },
  );

  it.each([...wireForms.keys()])("today's read %s with further fields of a newer version", (contract) => {
    expect(closedToMore(contract, asked(contract))).toEqual([]);
  });

  it("have what this version writes on record: `npm run fixtures -w packages/contracts`, but never over a released one", () => {
    expect(existsSync(join(folder, present))).toBe(true);
    const recorded = fixtures.filter(({ version }) => version === present);
    expect(recorded.map(({ contract }) => contract).sort()).toEqual([...wireForms.keys()].sort());
    for (const { contract, fixture } of recorded) {
      // As JSON: what is undefined is not sent.
      expect(fixture).toEqual(JSON.parse(JSON.stringify(fixtureOf(contract, asked(contract)))));
    }
  });
});

/** A contract in two versions: how it was, how it is. */
const form = (request: z.ZodType) => ({ subject: "shop.order", parts: { request } });
const position = z.object({ item: z.int(), state: z.enum(["open", "sent"]).optional() });
const old = form(z.object({ id: z.uuid(), positions: z.array(position), note: z.string().optional() }));
const between = (next: z.ZodType) => ({
  read: unreadable("1.0.0", fixtureOf("order", old), form(next)),
  written: unreadableThere("1.0.0", fixtureOf("order", old), form(next)),
});

describe("what does not go together between versions", () => {
  it("is nothing when a field is added that may be absent", () => {
    const next = z.object({
      id: z.uuid(),
      positions: z.array(position),
      note: z.string().optional(),
      by: z.int().optional(),
    });
    expect(between(next)).toEqual({ read: [], written: [] });
    expect(closedToMore("order", form(next))).toEqual([]);
  });

  it("is a new field that must be there", () => {
    const { read: faults, written } = between(
      z.object({ id: z.uuid(), positions: z.array(position.extend({ price: z.int() })) }),
    );
    expect(faults).toContain(
      "order, request as 1.0.0 sends it, is refused today: positions.0.price: Invalid input: expected number, received undefined",
    );
    expect(written).toEqual([]);
  });

  it("is a field that older services need and today's leave out", () => {
    const { read: faults, written } = between(z.object({ id: z.uuid().optional(), positions: z.array(position) }));
    expect(faults).toEqual([]);
    expect(written).toEqual([
      "order, request as it is sent today, is refused by 1.0.0: id: Invalid input: expected string, received undefined",
    ]);
  });

  it("is a value that only one of them knows", () => {
    const of = (...states: [string, ...string[]]) =>
      between(
        z.object({ id: z.uuid(), positions: z.array(z.object({ item: z.int(), state: z.enum(states).optional() })) }),
      );
    expect(of("open").read).toEqual([
      expect.stringMatching(/^order, request as 1\.0\.0 sends it, is refused today: positions\.1\.state: Invalid/),
    ]);
    expect(of("open", "sent", "lost").written).toEqual([
      expect.stringMatching(/^order, request as it is sent today, is refused by 1\.0\.0: positions\.2\.state: Invalid/),
    ]);
  });

  it("is a form that refuses what it does not know", () => {
    const strict = z.object({ id: z.uuid(), of: z.array(z.strictObject({ item: z.int() })) });
    expect(closedToMore("order", form(strict))).toEqual([
      'order, request with further fields of a newer version, is refused today: of.0: Unrecognized key: "addedLater"',
    ]);
  });

  it("is a contract that is gone, moved, or has lost a part", () => {
    const fixture = fixtureOf("order", old);
    expect(unreadable("1.0.0", fixture, undefined)).toEqual([
      "order: 1.0.0 still sends it, and today there is no such contract",
    ]);
    expect(unreadable("1.0.0", fixture, { ...old, subject: "shop.orders" })).toEqual([
      "order: 1.0.0 uses the subject shop.order, today it is shop.orders",
    ]);
    expect(unreadable("1.0.0", fixture, { subject: "shop.order", parts: {} })).toEqual([
      "order: 1.0.0 sends a request, and today it has none",
    ]);
  });
});
