import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EngineProcess, freePorts, natsServerReady, prepareNatsServer } from "@understudy/engines";
import { natsUsersOf, secretFile, setUpSecrets, type KeptSecrets, type SecretsPlan } from "../src/index.ts";

export const plan: SecretsPlan = {
  cluster: "shop",
  nats: [{ name: "nats-a", host: "127.0.0.1" }],
  postgres: [],
  databases: ["shop"],
  edge: ["localhost"],
};

/** One NATS node with the users of a cluster, over TLS. */
export class SecuredNode {
  private constructor(
    readonly folder: string,
    readonly kept: KeptSecrets,
    readonly url: string,
    private readonly server: EngineProcess,
    readonly lines: readonly string[],
  ) {}

  static async start(): Promise<SecuredNode> {
    const folder = mkdtempSync(join(tmpdir(), "secured-"));
    const kept = await setUpSecrets({ folder, plan });
    const [clientPort = 0, routePort = 0, monitorPort = 0] = await freePorts(3);
    const file = (name: string) => secretFile(folder, "nats-a", name);
    const options = {
      name: "nats-a",
      cluster: plan.cluster,
      dataDir: join(folder, "data"),
      clientPort,
      routePort,
      monitorPort,
      routes: [],
      users: natsUsersOf(kept),
      tls: { certificateFile: file("tls.crt"), keyFile: file("tls.key"), authorityFile: file("ca.crt") },
    };
    const lines: string[] = [];
    const server = EngineProcess.start("nats-a", prepareNatsServer(options), { onLine: (line) => lines.push(line) });
    await server.ready((signal) => natsServerReady(options, signal));
    return new SecuredNode(folder, kept, `nats://127.0.0.1:${clientPort}`, server, lines);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
