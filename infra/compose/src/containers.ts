/** The containers of one Compose project, and what can be done to them. */
import { z } from "zod";
import { OperationalError, pause } from "@understudy/runtime";
import type { Engine } from "./engine.ts";

const inspected = z.array(
  z.object({
    Id: z.string(),
    Image: z.string(),
    State: z.object({
      Running: z.boolean(),
      StartedAt: z.string(),
      ExitCode: z.int(),
      Health: z.object({ Status: z.string() }).nullish(),
    }),
    Config: z.object({ Image: z.string(), Labels: z.record(z.string(), z.string()) }),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ Aliases: z.array(z.string()).nullish() })) }),
  }),
);

export interface Container {
  readonly id: string;
  /** As docker-compose.yml names it, such as `app-server-a`. */
  readonly service: string;
  readonly image: string;
  readonly isRunning: boolean;
  readonly health: string | undefined;
  readonly startedAt: string;
  readonly networks: Readonly<Record<string, readonly string[]>>;
}

/** The letter of its machine; undefined for what belongs to none. */
export const machineOf = (service: string): string | undefined => /-([abcm])$/.exec(service)?.[1];

/** kill -9 for what the container runs, from inside: so its restart policy sees a crash, which `docker kill` is not. */
const crashScript =
  'for stat in /proc/[0-9]*/stat; do read -r pid name state parent rest < "$stat" || continue; if [ "$parent" = 1 ]; then kill -9 "$pid"; fi; done 2>/dev/null';

export class Containers {
  constructor(private readonly engine: Engine) {}

  /** All but those that end by themselves. */
  async all(): Promise<readonly Container[]> {
    const filter = `label=com.docker.compose.project=${this.engine.options.project}`;
    const single = "label=com.docker.compose.oneoff=False";
    const list = ["ps", "-aq", "--no-trunc", "--filter", filter, "--filter", single];
    const ids = (await this.engine.docker(list)).split("\n").filter(Boolean);
    if (ids.length === 0) return [];
    return inspected
      .parse(JSON.parse(await this.engine.docker(["inspect", ...ids])))
      .map((each) => ({
        id: each.Id,
        service: each.Config.Labels["com.docker.compose.service"] ?? "",
        image: each.Config.Image,
        isRunning: each.State.Running,
        health: each.State.Health?.Status,
        startedAt: each.State.StartedAt,
        networks: Object.fromEntries(
          Object.entries(each.NetworkSettings.Networks).map(([name, { Aliases }]) => [name, Aliases ?? []]),
        ),
      }))
      .filter(({ service }) => !service.startsWith("setup"))
      .sort((one, other) => one.service.localeCompare(other.service));
  }

  async of(service: string): Promise<Container> {
    const found = (await this.all()).find((each) => each.service === service);
    if (found === undefined) throw new OperationalError("unavailable", `There is no container of ${service}.`);
    return found;
  }

  /** Its process dies; resolves when its restart policy has started it again. */
  async crash(service: string, withinMs = 60_000): Promise<void> {
    const before = await this.of(service);
    // The shell that kills may be gone with the container before it has told its exit code.
    await this.engine.tryDocker(["exec", before.id, "sh", "-c", crashScript]);
    for (const until = performance.now() + withinMs; performance.now() < until; await pause(200)) {
      const now = await this.of(service);
      if (now.isRunning && now.startedAt !== before.startedAt) return;
    }
    throw new OperationalError("timeout", `${service} was killed and was not started again within ${withinMs} ms.`);
  }

  /** Pulls the network cables of a machine; what is returned plugs them in again. */
  async cut(machine: string): Promise<() => Promise<void>> {
    const members = (await this.all()).filter(({ service }) => machineOf(service) === machine);
    const cables = members.flatMap(({ id, networks }) =>
      Object.entries(networks).map(([network, aliases]) => ({ id, network, aliases })),
    );
    await Promise.all(cables.map(({ id, network }) => this.engine.docker(["network", "disconnect", network, id])));
    return async () => {
      await Promise.all(
        cables.map(({ id, network, aliases }) =>
          this.engine.docker([
            "network",
            "connect",
            ...aliases.flatMap((alias) => (id.startsWith(alias) ? [] : ["--alias", alias])),
            network,
            id,
          ]),
        ),
      );
    };
  }
}
