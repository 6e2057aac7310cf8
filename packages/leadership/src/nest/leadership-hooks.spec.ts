import "reflect-metadata";
import { Injectable, Module, type INestApplicationContext } from "@nestjs/common";
import { DiscoveryModule, NestFactory } from "@nestjs/core";
import type { Evidence, LeaderTerm } from "@understudy/contracts";
import { createLog, Identity, LOG } from "@understudy/runtime";
import { Elector } from "../elector.ts";
import { InMemoryLeaseStore } from "../testing/in-memory-lease-store.ts";
import { LeadershipHooks } from "./leadership-hooks.ts";
import { OnLeadership, OnLeadershipLost } from "./on-leadership.ts";

const log = createLog("silent", "json", {});
const alias = Symbol("alias");

/** A promise that the test opens. */
class Gate {
  open: () => void = () => undefined;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

@Injectable()
class Duties {
  readonly journal: string[] = [];
  readonly fence = new Gate();
  readonly worked = new Gate();
  signal: AbortSignal | undefined;
  evidence: readonly Evidence[] = [];

  /** Accessors are not touched while hooks are looked for. */
  get dangerous(): never {
    throw new Error("an accessor was called");
  }

  @OnLeadership()
  work(leader: LeaderTerm, signal: AbortSignal): void {
    this.journal.push(`work ${leader.term} ${signal.aborted ? "after its loss" : ""}`.trim());
    this.worked.open();
  }

  @OnLeadership("fence")
  async raiseFence(leader: LeaderTerm, signal: AbortSignal, evidence: readonly Evidence[]): Promise<void> {
    this.journal.push(`fence begins ${leader.term}`);
    this.signal = signal;
    this.evidence = evidence;
    await this.fence.opened;
    this.journal.push(`fence ends ${leader.term}`);
  }

  @OnLeadership("announce")
  announce(leader: LeaderTerm): void {
    this.journal.push(`announce ${leader.term}`);
  }

  @OnLeadership("announce")
  fail(): void {
    this.journal.push("fails");
    throw new Error("a broken hook");
  }

  @OnLeadershipLost()
  lost(leader: LeaderTerm, reason: string): void {
    this.journal.push(`lost ${leader.term}: ${reason}`);
  }
}

describe("leadership hooks in a Nest application", () => {
  let app: INestApplicationContext;
  let elector: Elector;
  let duties: Duties;

  beforeEach(async () => {
    const identity = new Identity({ kind: "message-server", id: "a", cluster: "c", site: "s", machine: "m" });
    elector = new Elector({ role: "role", identity, store: new InMemoryLeaseStore(), log });
    @Module({
      imports: [DiscoveryModule],
      providers: [
        { provide: Elector, useValue: elector },
        { provide: LOG, useValue: log },
        { provide: "nothing", useValue: null },
        { provide: "plain", useValue: Object.create(null) as object },
        LeadershipHooks,
        Duties,
        { provide: alias, useExisting: Duties },
      ],
    })
    class TestModule {}
    app = await NestFactory.createApplicationContext(TestModule, { logger: false });
    duties = app.get(Duties);
  });
  afterEach(async () => {
    elector.stop();
    await app.close();
  });

  const announced = ["announce 1", "fails", "fence begins 1"];
  const led = async () => {
    const leading = new Promise((resolve) => elector.once("lead", resolve));
    elector.start();
    await leading;
    await new Promise(setImmediate);
  };

  it("run phase after phase, whatever the order of the methods; one that fails stops nothing", async () => {
    await led();
    expect(duties.journal.toSorted()).toEqual(announced.toSorted());
    duties.fence.open();
    await duties.worked.opened;
    expect(duties.journal.slice(2)).toEqual(["fence begins 1", "fence ends 1", "work 1"]);
    expect(duties.evidence).toMatchObject([{ kind: "first-start" }]);
    expect(duties.signal?.aborted).toBe(false);
  });

  it("are told by the signal when the term is lost, and later phases of it do not begin", async () => {
    await led();
    await elector.handOver();
    expect(duties.signal?.aborted).toBe(true);
    expect(duties.journal.at(-1)).toBe("lost 1: handed over");
    duties.fence.open();
    await new Promise(setImmediate);
    expect(duties.journal.at(-1)).toBe("fence ends 1");
    expect(duties.journal).not.toContain("work 1");
  });

  it("of a new term do not wait for stragglers of the old one", async () => {
    await led();
    const old = duties.signal;
    const again = new Promise((resolve) => elector.once("lead", resolve));
    await elector.handOver();
    await again; // Nobody else wanted it.
    await new Promise(setImmediate);
    expect(duties.journal).toContain("fence begins 2");
    expect(duties.journal).not.toContain("fence ends 1");
    expect(old?.aborted).toBe(true);
    expect(duties.signal?.aborted).toBe(false);
  });

  it("are aborted when the elector stops without a hand-over", async () => {
    await led();
    elector.stop();
    expect(duties.signal?.aborted).toBe(true);
    expect(duties.journal.at(-1)).toBe("lost 1: stopped");
  });
});
