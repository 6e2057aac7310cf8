/** A start with a secret that is missing or damaged must end, and say which one it was. */
import { exitCodeForConfiguration } from "@understudy/runtime";
import type { CommandResult, Engine } from "./engine.ts";

const ends = (what: string, { code, stdout, stderr }: CommandResult, word: string): string[] => {
  const words = stdout + stderr;
  return [
    ...(code === exitCodeForConfiguration ? [] : [`${what}: exit code ${code}`]),
    ...(words.includes(word) ? [] : [`${what}: does not name ${word}: ${words.trim().slice(-300)}`]),
  ];
};

export async function checkSecretFaults(
  engine: Engine,
  tag: string,
  say: (text: string) => void,
): Promise<readonly string[]> {
  const faults: string[] = [];
  const missing = "/run/understudy/nats.seed";
  const variables = {
    UNDERSTUDY_ID: "load-balancer-x",
    UNDERSTUDY_NATS_SERVERS: "nats://nats-a:4222",
    UNDERSTUDY_NATS_SEED_FILE: missing,
  };
  const environment = Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const image = `understudy/service:${tag}`;
  const service = await engine.tryDocker(["run", "--rm", "--network", "none", ...environment, image, "load-balancer"]);
  faults.push(...ends("a service without its secret", service, missing));

  const other = engine.with({ UNDERSTUDY_TAG: tag }, "understudy-test-secrets");
  const setup = (...first: string[]) => other.tryCompose(["run", "--rm", "--no-deps", ...first]);
  try {
    const made = await setup("setup");
    if (made.code !== 0) return [...faults, `setup: ${made.stderr.slice(-300)}`];
    const again = await setup("setup");
    if (again.code !== 0) faults.push(`setup, run again: ${again.stderr.slice(-300)}`);
    await setup("--entrypoint", "bash", "setup", "-c", "echo damaged > /secrets/kept/postgres/superuser.password");
    faults.push(...ends("setup with a damaged secret", await setup("setup"), "superuser.password"));
  } finally {
    await other.compose(["down", "-v"]);
  }
  if (faults.length === 0) say("a missing and a damaged secret are named");
  return faults;
}
