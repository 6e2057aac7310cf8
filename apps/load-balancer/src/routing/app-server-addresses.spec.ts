import { appServerAddresses } from "./app-server-addresses.ts";

describe("appServerAddresses", () => {
  const faults = (text: string) =>
    appServerAddresses()
      .safeParse(text)
      .error?.issues.map(({ message }) => message) ?? [];

  it("reads ids and URLs", () => {
    const map = appServerAddresses().parse('{"app-server-a":"http://127.0.0.1:1","app-server-b":"http://10.0.0.2:80"}');
    expect([...map]).toEqual([
      ["app-server-a", "http://127.0.0.1:1"],
      ["app-server-b", "http://10.0.0.2:80"],
    ]);
  });

  it("refuses what is no JSON object of http URLs and says where", () => {
    expect(faults("nonsense")[0]).toContain("JSON");
    expect(faults("[1]").length).toBeGreaterThan(0);
    expect(faults('{"app-server-a":"https://x"}')[0]).toMatch(/^app-server-a: .*http:\/\//);
    expect(faults('{"app-server-a":7,"app-server-b":"x"}')).toHaveLength(2);
  });
});
