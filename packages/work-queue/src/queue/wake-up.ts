/**
 * How workers hear that there is something to do. NOTIFY of PostgreSQL is always there and carries what is enqueued in
 * a caller's transaction; an application with a message server gives this for the rest: two functions. Messages are
 * hints; workers look for themselves now and then besides.
 */
export interface WakeUp {
  /** To all workers of the cluster. Must not throw; a message may be lost. */
  publish(message: string): void;
  /** Returns what ends the subscription. */
  subscribe(listener: (message: string) => void): () => void;
}

export type WakeUpHint =
  | { readonly about: "queue"; readonly queue: string }
  /** Something is delayed: when is the next one due? */
  | { readonly about: "delayed" }
  | { readonly about: "ordering" }
  | { readonly about: "services" }
  | { readonly about: "schedules" }
  | { readonly about: "cancel"; readonly job: string };

export function hintOf(message: string): WakeUpHint | undefined {
  const rest = message.slice(2);
  switch (message[0]) {
    case "q":
      return { about: "queue", queue: rest };
    case "c":
      return { about: "cancel", job: rest };
    case "d":
      return { about: "delayed" };
    case "l":
      return { about: "ordering" };
    case "s":
      return { about: "services" };
    case "t":
      return { about: "schedules" };
    default:
      return undefined;
  }
}
