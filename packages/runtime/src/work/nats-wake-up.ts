/** Wakes workers over NATS. A message may be lost: workers look for themselves every two seconds besides. */
import { workAvailable } from "@understudy/contracts";
import type { WakeUp } from "@understudy/work-queue";
import type { NatsConnections } from "../nats/connections.ts";
import { listen, publish } from "../nats/messages.ts";

export class NatsWakeUp implements WakeUp {
  constructor(private readonly nats: NatsConnections) {}

  publish(message: string): void {
    publish(this.nats.main, workAvailable, { message });
  }

  subscribe(listener: (message: string) => void): () => void {
    const subscription = listen(this.nats.main, workAvailable, ({ message }) => listener(message), {
      onMalformed: () => undefined,
    });
    return () => subscription.unsubscribe();
  }
}
