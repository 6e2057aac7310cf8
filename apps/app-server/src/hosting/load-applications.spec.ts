import { z } from "zod";
import { loadApplications } from "./load-applications.ts";

const application = (name: string, variables: z.ZodRawShape = {}) => ({
  application: { name, variables, prepare: () => Promise.resolve(), module: () => ({ module: class {} }) },
});
const modules: Readonly<Record<string, unknown>> = {
  "@example/shop": application("shop", { UNDERSTUDY_SHOP_NAME: z.string() }),
  "@example/other-shop": application("shop"),
  "@example/thief": application("thief", { UNDERSTUDY_ID: z.string() }),
  "@example/stranger": application("stranger", { PATH: z.string() }),
  "@example/library": { application: { name: "no application" } },
};
const importModule = (specifier: string): Promise<unknown> =>
  specifier in modules ? Promise.resolve(modules[specifier]) : Promise.reject(new Error("not there\nand more"));
const load = (list?: string) => loadApplications(list, importModule);

describe("loadApplications", () => {
  it("imports what the list names, blanks dropped", async () => {
    const { applications, faults } = await load(" @example/shop ,, ");
    expect(applications.map(({ name }) => name)).toEqual(["shop"]);
    expect(faults).toEqual([]);
  });

  it.each([
    [undefined, "needs at least one application"],
    [" , ", "needs at least one application"],
    ["@example/nowhere", '"@example/nowhere" cannot be imported: not there'],
    ["@example/library", '"@example/library" exports no business application named "application"'],
    ["@example/shop,@example/other-shop", 'two of the applications are named "shop"'],
    ["@example/thief", '"@example/thief" declares variables of the platform: UNDERSTUDY_ID'],
    ["@example/stranger", '"@example/stranger" has variables outside of UNDERSTUDY_*: PATH'],
  ])("of %p says: %s", async (list, fault) => {
    expect((await load(list)).faults).toEqual([fault]);
  });

  it("names every fault of a list", async () => {
    const { applications, faults } = await load("@example/nowhere,@example/shop,@example/library");
    expect(applications).toHaveLength(1);
    expect(faults).toHaveLength(2);
  });
});
