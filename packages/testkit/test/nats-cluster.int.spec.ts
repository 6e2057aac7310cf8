import { jetstreamManager } from "@nats-io/jetstream";
import { NatsCluster } from "@understudy/testkit";

describe("a NATS cluster", () => {
  it("makes streams with three copies", async () => {
    const cluster = await NatsCluster.start();
    try {
      const manager = await jetstreamManager(await cluster.connect());
      const { config, cluster: placement } = await manager.streams.add({ name: "S", subjects: ["s"], num_replicas: 3 });
      expect(config.num_replicas).toBe(3);
      expect(placement?.replicas).toHaveLength(2);
    } finally {
      await cluster.stop();
    }
  });
});
