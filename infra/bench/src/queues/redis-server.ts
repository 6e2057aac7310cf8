/** Debian's redis-server, with the only setting that has an answer mean "on disk". */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { freePorts } from "@understudy/engines";
import { eventually, registered, temporaryFolder } from "@understudy/testkit";

export interface RedisServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Undefined where there is none. */
export async function startRedis(): Promise<RedisServer | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  const folder = temporaryFolder("redis");
  const [port = 0] = await freePorts(1);
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder.path,
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
  ];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const exited = once(child, "exit").then(() => undefined);
  registered({ pid: child.pid, exited: exited as never });
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, "127.0.0.1", () => {
          socket.destroy();
          resolve(true);
        });
        socket.on("error", () => resolve(false));
      }),
    { describe: "redis-server listens" },
  );
  return {
    port,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      folder.remove();
    },
  };
}
