/** "A newer version": the same images with another label, so that Compose has something to renew. */
import type { Engine } from "./engine.ts";

export async function newerImages(engine: Engine, tag: string): Promise<Engine> {
  const newer = `${tag}-newer`;
  for (const image of ["understudy/service", "understudy/keeper"])
    await engine.docker(["build", "-t", `${image}:${newer}`, "-"], {
      input: `FROM ${image}:${tag}\nLABEL understudy.version=${newer}\n`,
    });
  return engine.with({ UNDERSTUDY_TAG: newer });
}
