import { inboxOf, natsAccess, natsUsers, type NatsAccess, type NatsUser } from "./access.ts";
import * as contracts from "./index.ts";

type Contract = contracts.RequestContract | contracts.EventContract;

const access = natsAccess(["shop"]);
const isContract = (value: unknown): value is Contract =>
  typeof value === "object" && value !== null && "subject" in value && "sentBy" in value;
const all: readonly [string, Contract][] = Object.entries(contracts as Record<string, unknown>).filter(
  (entry): entry is [string, Contract] => isContract(entry[1]),
);
const usersWith = (part: (one: NatsAccess) => readonly Contract[], contract: Contract): NatsUser[] =>
  natsUsers.filter((user) => part(access[user]).includes(contract));

describe("who may say what", () => {
  it("knows every service kind", () => {
    expect(natsUsers).toEqual(expect.arrayContaining([...contracts.serviceKind.options]));
    expect(Object.keys(access).sort()).toEqual([...natsUsers].sort());
  });

  it.each(all.filter(([, contract]) => "request" in contract))("%s has a sender and an answerer", (_name, contract) => {
    expect(usersWith(({ asks }) => asks, contract)).not.toEqual([]);
    expect(usersWith(({ answers }) => answers, contract)).not.toEqual([]);
  });

  it.each(all.filter(([, contract]) => "event" in contract))("%s has a teller and a hearer", (_name, contract) => {
    expect(usersWith(({ tells }) => tells, contract)).not.toEqual([]);
    expect(usersWith(({ hears }) => hears, contract)).not.toEqual([]);
  });

  it("lets a service name that stands in `sentBy` send", () => {
    for (const [name, contract] of all) {
      const senders = [...usersWith(({ asks }) => asks, contract), ...usersWith(({ tells }) => tells, contract)];
      const named = contracts.serviceKind.options.filter((kind) => contract.sentBy.includes(kind));
      expect({ name, senders }).toEqual({ name, senders: expect.arrayContaining(named) });
    }
  });

  it("gives each user an inbox of its own", () => {
    expect(new Set(natsUsers.map(inboxOf)).size).toBe(natsUsers.length);
  });
});
