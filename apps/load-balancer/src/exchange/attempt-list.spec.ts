import fc from "fast-check";
import { AttemptList, type Placed } from "./attempt-list.ts";

describe("AttemptList", () => {
  it("holds exactly what was added and not removed, each at its place", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 }), (steps) => {
        const list = new AttemptList<Placed>();
        const members: Placed[] = Array.from({ length: 10 }, () => ({ place: -1 }));
        const expected = new Set<Placed>();
        for (const [adds, index] of steps) {
          const member = members[index] as Placed;
          if (adds && !expected.has(member)) {
            list.add(member);
            expected.add(member);
          } else if (!adds) {
            list.remove(member);
            expected.delete(member);
          }
          const held = list.copy();
          expect(new Set(held)).toEqual(expected);
          expect(held.map(({ place }) => place)).toEqual(held.map((_, place) => place));
          expect(list.size).toBe(expected.size);
        }
      }),
    );
  });
});
