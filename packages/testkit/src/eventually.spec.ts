import { eventually, NotInTimeError } from "./eventually.ts";

describe("eventually", () => {
  it("returns the first truthy answer, past failures and falsy ones", async () => {
    const answers = [() => undefined, () => Promise.reject(new Error("not yet")), () => 0, () => "there"];
    expect(await eventually(() => answers.shift()?.())).toBe("there");
    expect(answers).toEqual([]);
  });

  it("names what was awaited and the last failure when it gives up", async () => {
    const waiting = eventually(() => Promise.reject(new Error("the door is closed")), {
      withinMs: 20,
      describe: "the door opens",
    });
    await expect(waiting).rejects.toThrow(NotInTimeError);
    await expect(waiting).rejects.toThrow(/^Not within 20 ms \(\d+ tries\): the door opens\. the door is closed$/);
  });

  it("tries once even when there is no time", async () => {
    expect(await eventually(() => 1, { withinMs: 0 })).toBe(1);
  });

  it("shows the last answer when nothing failed", async () => {
    await expect(eventually(() => false, { withinMs: 1 })).rejects.toThrow("the last answer was false");
    await expect(eventually(() => undefined, { withinMs: 1 })).rejects.toThrow("the last answer was undefined");
  });
});
