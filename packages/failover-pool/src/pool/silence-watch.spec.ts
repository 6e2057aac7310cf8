import type { ServerConnection } from "../connection/server-connection.ts";
import { isTimeToAsk, lookForSilence } from "./silence-watch.ts";

function connection(active: () => unknown): ServerConnection {
  const part = { isAdmitted: true, client: { _getActiveQuery: active }, unanswered: undefined, unansweredLooks: 0 };
  return part as unknown as ServerConnection;
}

it("asks when the same query stays unanswered for about a second, then ever more rarely", () => {
  const query = {};
  const one = [connection(() => query)];
  const looks = Array.from({ length: 100 }, () => lookForSilence(one));
  const asked = looks.flatMap((shallAsk, look) => (shallAsk ? [look] : []));
  expect(asked).toEqual([2, 4, 8, 16, 32, 60, 90]);
});

it("a connection that answers query after query is never suspected", () => {
  const busy = [connection(() => ({}))];
  expect(Array.from({ length: 50 }, () => lookForSilence(busy))).not.toContain(true);
  const idle = [connection(() => null)];
  expect(Array.from({ length: 50 }, () => lookForSilence(idle))).not.toContain(true);
});

it("never stops asking", () => {
  expect(Array.from({ length: 1_000 }, (_, looks) => looks + 900).some(isTimeToAsk)).toBe(true);
});
