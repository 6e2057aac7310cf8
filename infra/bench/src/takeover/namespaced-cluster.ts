/**
 * A small cluster on three machines with networks of their own: NATS on each, message servers on the first two,
 * PostgreSQL and an app server on the third.
 */
import { preparePostgres } from "@understudy/engines";
import { eventually } from "@understudy/testkit";
import { credentials, NamespacedMachines, ports } from "../namespaces/namespaced-machines.ts";

export class NamespacedCluster {
  readonly machines = new NamespacedMachines();

  static async start(): Promise<NamespacedCluster> {
    const cluster = new NamespacedCluster();
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.machines.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { machines } = this;
    machines.startNats();
    const host = machines.network.address(2);
    const database = {
      name: "postgres-c",
      dataDir: machines.folder("postgres"),
      host,
      port: ports.postgres,
      password: credentials.password,
      database: "postgres",
    };
    machines.engine("postgres-c", 2, await preparePostgres(database));
    const own = { UNDERSTUDY_DATABASE_URL: `postgres://postgres@${host}:${ports.postgres}/postgres` };
    machines.service("message-server", 0, { ...own, UNDERSTUDY_NATS_NODE: "nats-a" });
    machines.service("message-server", 1, { ...own, UNDERSTUDY_NATS_NODE: "nats-b" });
    machines.service("app-server", 2, { ...own, UNDERSTUDY_APPLICATIONS: "@understudy/order-entry" });
    await eventually(() => machines.log.some(({ msg }) => msg === "serving"), {
      withinMs: 60_000,
      describe: "the app server serves",
    });
  }

  /** The message server that led last, and its term, as the log tells. */
  get leader(): { readonly id: string; readonly term: number } {
    const line = this.machines.log.findLast(({ msg }) => msg === "leading");
    if (line?.term === undefined) throw new Error("nobody has led yet");
    return { id: line.id, term: line.term };
  }

  /** When the app server first followed a term after `term`. */
  async followedAfter(term: number): Promise<number> {
    const line = await eventually(
      () =>
        this.machines.log.find(
          ({ id, msg, term: seen }) =>
            id.startsWith("app-server") && msg === "follows a new leader" && (seen ?? 0) > term,
        ),
      { withinMs: 60_000, describe: `the app server follows a term after ${term}` },
    );
    return line.at;
  }
}
