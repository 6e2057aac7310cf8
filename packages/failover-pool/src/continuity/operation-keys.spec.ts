import { OperationKeys } from "./operation-keys.ts";

it("keys are valid UUIDs of version 8, in order, and of one pool only", () => {
  const keys = new OperationKeys();
  const made = Array.from({ length: 300 }, () => keys.next());
  for (const key of made) expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...made].sort()).toEqual(made);
  expect(new Set(made.map((key) => key.slice(0, 23))).size).toBe(1);
  expect(new OperationKeys().next().slice(0, 23)).not.toBe(made[0]?.slice(0, 23));
  expect(keys.sequenceOf(made[299] ?? "")).toBe(300);
  expect(keys.keyOf(300)).toBe(made[299]);
  expect(keys.upcoming).toBe(301);
});
