import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleRun } from "../testing/example-cluster.ts";
import { addressOf } from "./cluster-access.ts";
import { findStateFolder, readRunFile } from "./state-folder.ts";

describe("the way to a local cluster", () => {
  let folder: string;
  let state: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-cli-"));
    state = join(folder, ".understudy");
    mkdirSync(join(folder, "deep", "down"), { recursive: true });
    mkdirSync(state);
    writeFileSync(join(state, "nats-password"), "secret\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is found from any folder below", () => {
    expect(findStateFolder(join(folder, "deep", "down"))).toBeUndefined();
    writeFileSync(join(state, "run.json"), JSON.stringify(exampleRun()));
    expect(findStateFolder(join(folder, "deep", "down"))).toBe(state);
    expect(readRunFile(state).cluster).toBe("understudy");
  });

  it("is refused with its faults when run.json has another form", () => {
    writeFileSync(join(state, "run.json"), JSON.stringify({ ...exampleRun(), machines: 3 }));
    expect(() => readRunFile(state)).toThrow(/another version\?\): machines:/);
    writeFileSync(join(state, "run.json"), "{");
    expect(() => readRunFile(state)).toThrow("is not JSON");
  });

  it("prefers NATS nodes that run on machines that are not cut off", () => {
    const run = exampleRun();
    const [node, process] = [run.nats[0], run.processes.find(({ id }) => id === "nats-a")];
    if (node === undefined || process === undefined) throw new Error("the example has a NATS node");
    const ids = ["nats-a", "nats-b", "nats-c"];
    const address = addressOf(
      {
        ...run,
        machines: ["a", "b", "c"].map((letter) => ({ id: `machine-${letter}`, cut: letter === "b" })),
        nats: ids.map((id) => ({
          id,
          machine: id.replace("nats", "machine"),
          url: `nats://${id}:4222`,
          monitorUrl: "http://127.0.0.1:8222",
        })),
        processes: [
          { ...process, id: "nats-a", state: "stopped" },
          { ...process, id: "nats-b" },
          { ...process, id: "nats-c" },
        ],
      },
      state,
    );
    expect(address).toMatchObject({
      servers: ["nats://nats-c:4222", "nats://nats-b:4222", "nats://nats-a:4222"],
      user: "understudy",
      password: "secret",
    });
  });
});
