import { help, parseArguments } from "./arguments.ts";

describe("the command line of npm start", () => {
  it("has defaults for everything", () => {
    expect(parseArguments([])).toEqual({ fresh: false, scale: 1, port: 8_080, tls: false, color: true, help: false });
  });

  it("takes every option in both spellings", () => {
    expect(parseArguments(["--fresh", "--scale", "10", "--port=9000", "--tls", "--no-color"])).toEqual({
      fresh: true,
      scale: 10,
      port: 9_000,
      tls: true,
      color: false,
      help: false,
    });
    expect(parseArguments(["-h"]).help).toBe(true);
  });

  it.each([["--frsh"], ["fresh"], ["--fresh=yes"], ["--port"]])("refuses %s and names what is known", (argument) => {
    expect(() => parseArguments([argument])).toThrow(/Known: --fresh, --scale, --port, --tls, --no-color, --help\.$/);
  });

  it("names all wrong values at once", () => {
    expect(() => parseArguments(["--scale", "0", "--port", "http"])).toThrow(
      '--scale takes a whole number from 1 to 1000, not "0"; --port takes a whole number from 0 to 65535, not "http".',
    );
  });

  it("explains each option in its help", () => {
    for (const option of ["--fresh", "--scale", "--port", "--tls", "--no-color", "--help"])
      expect(help).toContain(option);
  });
});
