import type { InstanceIdentity, InstanceRef, ServiceKind } from "@understudy/contracts";
import { uuidv7 } from "uuidv7";

/**
 * Who this process is. The incarnation is new at every start; an app server that was declared lost and is alive
 * takes a new one without restarting (DESIGN 4), so read it each time, do not keep a copy.
 */
export class Identity {
  #incarnation: string;
  readonly #listeners: ((incarnation: string) => void)[] = [];
  #onRefused: ((instance: InstanceRef) => void)[] = [];

  constructor(
    private readonly fixed: Omit<InstanceIdentity, "incarnation">,
    incarnation: string = uuidv7(),
  ) {
    this.#incarnation = incarnation;
  }

  get id(): string {
    return this.fixed.id;
  }
  get kind(): ServiceKind {
    return this.fixed.kind;
  }
  get cluster(): string {
    return this.fixed.cluster;
  }
  get machine(): string {
    return this.fixed.machine;
  }
  get incarnation(): string {
    return this.#incarnation;
  }
  get ref(): InstanceRef {
    return { id: this.fixed.id, incarnation: this.#incarnation };
  }
  get full(): InstanceIdentity {
    return { ...this.fixed, incarnation: this.#incarnation };
  }

  onChange(listener: (incarnation: string) => void): void {
    this.#listeners.push(listener);
  }

  /** The old incarnation never comes back: whatever it still holds is refused. */
  takeNewIncarnation(): InstanceRef {
    this.#incarnation = uuidv7();
    for (const listener of this.#listeners) listener(this.#incarnation);
    return this.ref;
  }

  /**
   * This identity as it is now, for parts that end with the incarnation instead of following it: what an old
   * incarnation still has in work must not reach the database under the new one's name.
   */
  pinned(): Identity {
    const pinned = new Identity(this.fixed, this.#incarnation);
    pinned.#onRefused = this.#onRefused;
    return pinned;
  }

  /** Called each time that the database refuses the incarnation, whatever the asking part makes of the error. */
  onStandingRefused(listener: (instance: InstanceRef) => void): void {
    this.#onRefused.push(listener);
  }

  standingRefused(): void {
    for (const listener of this.#onRefused) listener(this.ref);
  }
}
