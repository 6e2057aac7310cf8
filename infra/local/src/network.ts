/** The cables between the simulated machines: one TCP link per pair of machine and endpoint. */
import { TcpLink } from "@understudy/testkit/tcp-link";
import { z } from "zod";
import type { PlannedLink } from "./plan.ts";

/** What should be; told at each start of the process and at each cut and heal. Telling it twice changes nothing. */
export const networkWish = z.object({
  type: z.literal("network-wish"),
  links: z.array(
    z.object({
      id: z.string(),
      from: z.string(),
      to: z.string(),
      listenPort: z.int().positive(),
      targetPort: z.int().positive(),
    }),
  ),
  /** Machines that are cut off from all others. */
  cut: z.array(z.string()),
});
export type NetworkWish = z.infer<typeof networkWish>;

/** Answer to a wish, once all links listen and are cut or whole as wished. */
export const networkReport = z.object({ type: z.literal("network-report"), cut: z.array(z.string()) });
export type NetworkReport = z.infer<typeof networkReport>;

export const isCutLink = (link: Pick<PlannedLink, "from" | "to">, cut: readonly string[]): boolean =>
  cut.includes(link.from) || cut.includes(link.to);

export class Network {
  readonly #links = new Map<string, TcpLink>();

  constructor(private readonly host: string) {}

  async apply(wish: NetworkWish): Promise<NetworkReport> {
    await Promise.all(
      wish.links.map(async ({ id, listenPort, targetPort }) => {
        if (this.#links.has(id)) return;
        const link = await TcpLink.start({
          host: this.host,
          port: listenPort,
          target: { host: this.host, port: targetPort },
        });
        this.#links.set(id, link);
      }),
    );
    for (const planned of wish.links) {
      const link = this.#links.get(planned.id);
      const shouldBeCut = isCutLink(planned, wish.cut);
      if (link === undefined || link.isCut === shouldBeCut) continue;
      if (shouldBeCut) link.cut();
      else link.heal();
    }
    return { type: "network-report", cut: wish.cut };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.stop()));
    this.#links.clear();
  }
}
