/**
 * A Docker engine and its Compose, by their command lines: whatever DOCKER_HOST or the current context leads to, the
 * current Compose (`docker compose`) or docker-compose 1.29.
 */
import { spawn } from "node:child_process";
import { OperationalError } from "@understudy/runtime";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets its output as it comes. */
  readonly isShown?: boolean;
  readonly timeoutMs?: number;
}

const standardTimeoutMs = 120_000;

/** Runs a command to its end, whatever its exit code. */
export function run(
  command: string,
  args: readonly string[],
  options: CommandOptions & { readonly folder: string },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.folder,
      env: { ...process.env, ...options.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        output[stream] += text;
        if (options.isShown === true) process.stderr.write(text);
      });
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? standardTimeoutMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, ...output });
    });
    // A command that ends without reading what it is told.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

export interface EngineOptions {
  /** Where docker-compose.yml stands. */
  readonly folder: string;
  readonly project: string;
  /** For Compose. */
  readonly environment: Readonly<Record<string, string>>;
}

export class Engine {
  private constructor(
    readonly options: EngineOptions,
    private readonly composeCommand: readonly string[],
  ) {}

  /** @throws OperationalError when there is no engine or no Compose. */
  static async find(options: EngineOptions): Promise<Engine> {
    const { folder } = options;
    const engine = await run("docker", ["version", "--format", "{{.Server.Version}}"], { folder });
    if (engine.code !== 0)
      throw new OperationalError("unavailable", `No Docker engine answers: ${engine.stderr.trim()}`);
    const plugin = await run("docker", ["compose", "version"], { folder });
    return new Engine(options, plugin.code === 0 ? ["docker", "compose"] : ["docker-compose"]);
  }

  /** Another environment for Compose, such as another tag. */
  with(environment: Readonly<Record<string, string>>, project = this.options.project): Engine {
    return new Engine(
      { ...this.options, project, environment: { ...this.options.environment, ...environment } },
      this.composeCommand,
    );
  }

  /** @throws OperationalError with its words when it fails. */
  async docker(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return succeeded(`docker ${args.join(" ")}`, await this.tryDocker(args, options));
  }

  tryDocker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run("docker", args, { folder: this.options.folder, ...options });
  }

  /** @throws OperationalError with its words when it fails. */
  async compose(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return succeeded(`compose ${args.join(" ")}`, await this.tryCompose(args, options));
  }

  tryCompose(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const [command = "docker", ...first] = this.composeCommand;
    const { folder, environment, project } = this.options;
    return run(command, [...first, ...args], {
      folder,
      timeoutMs: 900_000,
      ...options,
      environment: { ...environment, COMPOSE_PROJECT_NAME: project, ...options.environment },
    });
  }
}

function succeeded(what: string, { code, stdout, stderr }: CommandResult): string {
  if (code === 0) return stdout;
  const words = `${stdout}\n${stderr}`.trim().split("\n").slice(-15).join("\n");
  throw new OperationalError("unavailable", `${what.slice(0, 200)} ended with ${code}:\n${words}`);
}
