import {
  defaultClusterSettings,
  protocolVersion,
  type RegisteredServer,
  type Registration,
} from "@understudy/contracts";
import { decideRegistration, type RegistrationFacts } from "./registration-policy.ts";

const older = "01a206b4-0000-7000-8000-000000000000";
const newer = "01a206b4-ffff-7000-8000-000000000000";
const registration = (incarnation = newer): Registration => ({
  instance: {
    id: "app-server-a",
    incarnation,
    kind: "app-server",
    cluster: "understudy",
    site: "site-1",
    machine: "machine-a",
  },
  protocol: protocolVersion,
  url: "http://127.0.0.1:1",
  capacity: 10,
  applications: [],
});
const registered = (incarnation: string, state: RegisteredServer["state"] = "accepting"): RegisteredServer => ({
  ...registration(incarnation),
  state,
  since: 0,
  evidence: [],
});
const facts = (changed: Partial<RegistrationFacts> = {}): RegistrationFacts => ({
  cluster: "understudy",
  settings: defaultClusterSettings(),
  known: undefined,
  knownSilentMs: undefined,
  ...changed,
});
const reasonOf = (decision: ReturnType<typeof decideRegistration>) =>
  decision.kind === "refuse" ? decision.refusal.reason : decision.kind;

describe("decideRegistration", () => {
  it.each<[string, Registration, Partial<RegistrationFacts>, string]>([
    ["accepts a new server", registration(), {}, "accept"],
    ["accepts the same incarnation again", registration(), { known: registered(newer) }, "accept"],
    ["accepts the successor of a lost one", registration(), { known: registered(older, "lost") }, "accept"],
    ["accepts the successor of one that left", registration(), { known: registered(older, "left") }, "accept"],
    [
      "supersedes a silent predecessor",
      registration(),
      { known: registered(older), knownSilentMs: 1_000 },
      "supersede",
    ],
    ["supersedes one that never beat", registration(), { known: registered(older) }, "supersede"],
    [
      "refuses a second living process of the id",
      registration(),
      { known: registered(older), knownSilentMs: 100 },
      "duplicate-id",
    ],
    [
      "refuses an older incarnation",
      registration(older),
      { known: registered(newer), knownSilentMs: 9_000 },
      "duplicate-id",
    ],
    [
      "refuses an incarnation that was declared lost",
      registration(),
      { known: registered(newer, "lost") },
      "declared-lost",
    ],
    ["refuses another cluster's server", registration(), { cluster: "other" }, "other-cluster"],
    ["serves one protocol version up", { ...registration(), protocol: protocolVersion + 1 }, {}, "accept"],
    ["refuses two protocol versions up", { ...registration(), protocol: protocolVersion + 2 }, {}, "protocol"],
  ])("%s", (_name, asked, changed, expected) => {
    expect(reasonOf(decideRegistration(asked, facts(changed)))).toBe(expected);
  });

  it("refuses who is not allowed and names who is", () => {
    const settings = defaultClusterSettings();
    const decision = decideRegistration(
      registration(),
      facts({ settings: { ...settings, appServers: { ...settings.appServers, allowed: ["app-server-x"] } } }),
    );
    expect(decision).toMatchObject({ kind: "refuse", refusal: { reason: "not-allowed" } });
    expect(decision.kind === "refuse" && decision.refusal.message).toContain("app-server-x");
  });
});
