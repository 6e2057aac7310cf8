import { exampleRun, exampleStatus, noon } from "../testing/example-cluster.ts";
import { renderStatus, statusData } from "./status.ts";
import { plainStyle } from "./style.ts";

const render = (facts: Partial<Parameters<typeof renderStatus>[0]>) =>
  renderStatus({ now: noon, run: exampleRun(), status: exampleStatus(), ...facts }, plainStyle);

const lineOf = (text: string, id: string): string => text.split("\n").find((line) => line.startsWith(id)) ?? "";

describe("status", () => {
  it("says at a glance that all is well and who leads", () => {
    const text = render({});
    expect(text).toContain("all well");
    expect(text).toContain("message-server-a leads · term 7 (in the database)");
    expect(lineOf(text, "message-server-a")).toContain("leads (term 7)");
    expect(lineOf(text, "message-server-b")).toContain("alternate");
    expect(lineOf(text, "app-server-b")).toContain("accepting");
  });

  it("fits a terminal of 100 columns", () => {
    expect(
      Math.max(
        ...render({})
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  it("lets the supervisor's knowledge win over the last beat", () => {
    const run = exampleRun();
    const processes = run.processes.map((process) =>
      process.id === "app-server-b" ? { ...process, state: "frozen" as const } : process,
    );
    const text = render({ run: { ...run, processes } });
    expect(lineOf(text, "app-server-b")).toContain("frozen");
    expect(text).toContain("1 part down");
  });

  it("names a machine that is cut off even while all of its processes run", () => {
    const run = exampleRun();
    const text = render({
      run: { ...run, machines: [{ id: "machine-b", cut: true }] },
    });
    expect(text).toContain("a machine is cut off");
    expect(lineOf(text, "app-server-b")).toContain("machine-b (cut)");
  });

  it("still shows the processes when no message server answers", () => {
    const text = render({ status: undefined });
    expect(text).toContain("none answers");
    expect(lineOf(text, "app-server-a")).toContain("running");
  });

  it("shows a cluster that is known over NATS alone", () => {
    const text = render({ run: undefined });
    expect(text).toContain("understudy");
    expect(lineOf(text, "app-server-a")).toContain("machine-a");
  });

  it("warns of a leader without an alternate and of a term that is not in the database", () => {
    const status = exampleStatus();
    const text = render({ status: { ...status, termInDatabase: false, roles: { ...status.roles, alternates: [] } } });
    expect(text).toContain("not in the database yet");
    expect(text).toContain("none: a failure now finds no understudy");
  });

  it("gives scripts every field even when nobody answers", () => {
    const keys = Object.keys(statusData({ now: noon, run: exampleRun(), status: exampleStatus() }));
    expect(Object.keys(statusData({ now: noon, run: undefined, status: undefined }))).toEqual(keys);
    expect(statusData({ now: noon, run: undefined, status: undefined })).toMatchObject({ leader: null });
  });
});
