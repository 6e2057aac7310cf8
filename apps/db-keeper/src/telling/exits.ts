/** Exits of processes as their supervisors reported them: hints for the election, exact times for the history. */
import { exitEvidence, type Evidence, type ExitEvidence } from "@understudy/contracts";
import { listen, type Log, type NatsConnections } from "@understudy/runtime";

const keptMost = 100;

export class Exits {
  readonly #exits = new Map<string, ExitEvidence>();

  constructor(
    private readonly nats: NatsConnections,
    private readonly onExit: (incarnation: string, evidence: readonly Evidence[]) => void,
    private readonly log: Log,
  ) {}

  /** Through every NATS node: the main connection's may have gone with the machine. */
  start(): void {
    this.nats.onLifeline((connection) =>
      listen(connection, exitEvidence, (exit) => this.#take(exit), {
        onMalformed: (error) => this.log.warn({ err: error }, "a malformed exit"),
      }),
    );
  }

  of(incarnation: string): ExitEvidence | undefined {
    return this.#exits.get(incarnation);
  }

  #take(exit: ExitEvidence): void {
    const { incarnation } = exit.instance;
    if (this.#exits.has(incarnation)) return;
    this.#exits.set(incarnation, exit);
    const [oldest] = this.#exits.keys();
    if (this.#exits.size > keptMost && oldest !== undefined) this.#exits.delete(oldest);
    const how = exit.signal ?? `exit code ${exit.exitCode ?? "unknown"}`;
    this.onExit(incarnation, [
      {
        kind: "exit",
        at: exit.at,
        observer: `supervisor of ${exit.machine}`,
        detail: `process ${exit.pid} ended: ${how}`,
      },
    ]);
  }
}
