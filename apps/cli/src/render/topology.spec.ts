import { exampleRun, exampleStatus, noon } from "../testing/example-cluster.ts";
import { plainStyle } from "./style.ts";
import { renderTopology, topologyOf } from "./topology.ts";

const facts = { now: noon, run: exampleRun(), status: exampleStatus() };

describe("topology", () => {
  it("puts each process under its machine, with its address", () => {
    const { machines } = topologyOf(facts);
    expect(machines.map(({ id, processes }) => [id, processes.map((one) => one.id)])).toEqual([
      ["machine-a", ["message-server-a", "app-server-a", "postgres-a", "nats-a"]],
      ["machine-b", ["message-server-b", "app-server-b"]],
    ]);
    const urls = Object.fromEntries(machines.flatMap(({ processes }) => processes.map(({ id, url }) => [id, url])));
    expect(urls).toMatchObject({
      "app-server-b": "http://127.0.0.1:9001",
      "nats-a": "nats://127.0.0.1:4222",
      "postgres-a": "postgres://app@127.0.0.1:5432/orders",
    });
  });

  it("draws a tree and says who leads and where the database is", () => {
    const text = renderTopology(facts, plainStyle);
    expect(text).toContain("message-server-a leads (term 7), alternates: message-server-b");
    expect(text).toContain("orders on postgres-a");
    expect(text).toMatch(/machine-b\n├─ message-server-b .*\n└─ app-server-b/);
  });

  it("marks a machine that is cut off", () => {
    const cut = { ...facts.run, machines: facts.run.machines.map((one) => ({ ...one, cut: true })) };
    expect(renderTopology({ ...facts, run: cut }, plainStyle)).toContain("machine-b (cut off)");
  });
});
