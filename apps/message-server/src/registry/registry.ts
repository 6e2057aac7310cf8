/**
 * The app servers of the cluster. The leader's changes go to NATS KV before they count; the alternates follow the same
 * entry, so that a new leader knows everything at once (L7).
 *
 * A lost server stays listed until its id registers again, so that `status` can tell what became of it.
 */
import { registeredServer, type LeaderTerm, type RegisteredServer } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime";
import { z } from "zod";
import type { GuardedValue, Stored } from "../kv/guarded-value.ts";

export const registryKey = "registry";
export const registrySnapshot = z.object({ term: z.int().nonnegative(), servers: z.array(registeredServer) });
export type RegistrySnapshot = z.infer<typeof registrySnapshot>;

export class Registry {
  #servers = new Map<string, RegisteredServer>();
  #revision = 0;
  readonly #listeners: (() => void)[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly stored: GuardedValue<RegistrySnapshot>) {}

  /** Follows the stored snapshot until `signal` aborts. While this process leads it hears only its own writes. */
  follow(signal: AbortSignal): void {
    this.stored.follow((stored) => this.#take(stored), signal);
  }

  /** Called after each change, own or followed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  get servers(): readonly RegisteredServer[] {
    return [...this.#servers.values()].sort((a, b) => (a.instance.id < b.instance.id ? -1 : 1));
  }

  find(id: string): RegisteredServer | undefined {
    return this.#servers.get(id);
  }

  /** @throws CallerError `unknown-instance` naming the known ones. */
  get(id: string): RegisteredServer {
    const server = this.#servers.get(id);
    if (server !== undefined) return server;
    const known = [...this.#servers.keys()].sort().join(", ") || "none";
    throw new CallerError("unknown-instance", `There is no app server ${id}; registered: ${known}.`);
  }

  /** Writes the new leader's term over the snapshot, so that no older leader can change it any more (L5). */
  stamp(leader: LeaderTerm): Promise<void> {
    return this.#write(leader, (servers) => servers);
  }

  put(leader: LeaderTerm, server: RegisteredServer): Promise<void> {
    return this.#write(leader, (servers) => [
      ...servers.filter((other) => other.instance.id !== server.instance.id),
      server,
    ]);
  }

  /** Changes one incarnation; does nothing when the id has another one by now. */
  change(
    leader: LeaderTerm,
    { id, incarnation }: { readonly id: string; readonly incarnation: string },
    change: (server: RegisteredServer) => RegisteredServer,
  ): Promise<void> {
    return this.#write(leader, (servers) =>
      servers.map((server) =>
        server.instance.id === id && server.instance.incarnation === incarnation ? change(server) : server,
      ),
    );
  }

  /** One write at a time: fewer conflicts, and listeners hear changes in order. */
  #write(leader: LeaderTerm, change: (servers: RegisteredServer[]) => RegisteredServer[]): Promise<void> {
    const result = this.#tail.then(async () => {
      this.#take(await this.stored.update(leader, (current) => ({ servers: change(current?.servers ?? []) })));
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** What is followed may arrive after what was written here: an older revision changes nothing. */
  #take({ value, revision }: Stored<RegistrySnapshot>): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    this.#servers = new Map(value.servers.map((server) => [server.instance.id, server]));
    for (const listener of this.#listeners) listener();
  }
}
