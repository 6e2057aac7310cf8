/**
 * The attempts in work, in no order. An array whose removed places are filled with its last, because a Set that lives
 * long and changes with each request costs a fifth of the CPU time: each time it grows over its deleted entries it
 * leaves an old table behind, and what that still names survives garbage collections that it should not.
 */
export interface Placed {
  /** Where it stands in the list; -1: nowhere. */
  place: number;
}

export class AttemptList<Member extends Placed> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** Does nothing when it is not in the list. */
  remove(member: Member): void {
    const { place } = member;
    if (place === -1) return;
    const last = this.#members.pop() as Member;
    if (last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
  }

  /** As they stand now: the list may change while the caller goes through them. */
  copy(): readonly Member[] {
    return [...this.#members];
  }
}
