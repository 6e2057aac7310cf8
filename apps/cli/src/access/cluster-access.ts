/**
 * The way to a cluster, chosen once per command:
 * - `--nats` or UNDERSTUDY_NATS_SERVERS: a cluster anywhere, over NATS alone;
 * - else the run.json of a local cluster: its NATS nodes and its supervisor.
 *
 * The first shuts the second out, so that `kill` typed while looking at a production cluster never reaches a local one.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ControlAction, ControlReply, RequestContract, RunFile } from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime/errors";
import type { z } from "zod";
import type { Surroundings } from "../surroundings.ts";
import type { ClusterLink, NatsAddress } from "./cluster-link.ts";
import { ControlSocket } from "./control-socket.ts";
import { findStateFolder, readRunFile } from "./state-folder.ts";

export interface AccessOptions {
  readonly stateDir?: string | undefined;
  readonly nats?: string | undefined;
  readonly natsUser?: string | undefined;
  readonly natsPasswordFile?: string | undefined;
  readonly natsSeedFile?: string | undefined;
  readonly natsCaFile?: string | undefined;
}

export class ClusterAccess {
  #link: ClusterLink | undefined;

  private constructor(
    /** Folder of a local cluster; absent for one that is reached over NATS alone. */
    readonly stateFolder: string | undefined,
    private readonly remote: NatsAddress | undefined,
    private readonly signal: AbortSignal,
    private readonly note: (text: string) => void,
  ) {}

  /** @throws CallerError when there is no cluster to speak to. */
  static choose(options: AccessOptions, surroundings: Surroundings, note: (text: string) => void): ClusterAccess {
    const { environment, folder, signal } = surroundings;
    const nats = options.nats ?? (options.stateDir === undefined ? environment["UNDERSTUDY_NATS_SERVERS"] : undefined);
    if (nats) {
      const passwordFile = options.natsPasswordFile ?? environment["UNDERSTUDY_NATS_PASSWORD_FILE"];
      const seedFile = options.natsSeedFile ?? environment["UNDERSTUDY_NATS_SEED_FILE"];
      const caFile = options.natsCaFile ?? environment["UNDERSTUDY_NATS_CA_FILE"];
      return new ClusterAccess(
        undefined,
        {
          servers: serversOf(nats),
          user: options.natsUser ?? environment["UNDERSTUDY_NATS_USER"],
          password: readGiven(passwordFile, "password"),
          seed: readGiven(seedFile, "seed"),
          inboxPrefix: operatorInbox,
          authority: readGiven(caFile, "authority"),
        },
        signal,
        note,
      );
    }
    const given = options.stateDir ?? environment["UNDERSTUDY_STATE_DIR"];
    const stateFolder = given ? resolve(folder, given) : findStateFolder(folder);
    if (stateFolder === undefined) {
      throw new CallerError(
        "unavailable",
        `No cluster found: neither ${folder} nor a folder above it has .understudy/run.json. ` +
          "Start one (npm start), name its folder (--state-dir), or name the NATS nodes of another (--nats).",
      );
    }
    return new ClusterAccess(stateFolder, undefined, signal, note);
  }

  /** What runs on this computer, read anew each time. @throws for a cluster that is reached over NATS alone. */
  run(): RunFile {
    if (this.stateFolder !== undefined) return readRunFile(this.stateFolder);
    throw new CallerError(
      "refused",
      "This needs the supervisor of a local cluster (.understudy/run.json); over NATS alone it cannot be done.",
    );
  }

  runIfLocal(): RunFile | undefined {
    return this.stateFolder === undefined ? undefined : readRunFile(this.stateFolder);
  }

  async link(): Promise<ClusterLink> {
    const { ClusterLink } = await import("./cluster-link.ts");
    // Looked at after the wait: two requests at once share one.
    this.#link ??= new ClusterLink(this.remote ?? addressOf(this.run(), this.stateFolder ?? "."), this.signal);
    return this.#link;
  }

  /** Asks the message server, with patience during a takeover and a note about it. */
  async ask<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    payload: z.input<Request>,
    options: { readonly patienceMs?: number; readonly answerMs?: number } = {},
  ): Promise<z.infer<Reply>> {
    const link = await this.link();
    return link.ask(contract, payload, {
      ...options,
      onWait: (reason) => this.note(`${reason} Trying for up to 5 s (a takeover?) ...`),
    });
  }

  control(action: ControlAction, target: string, stay = false): Promise<ControlReply> {
    const run = this.run();
    return new ControlSocket(run, this.stateFolder ?? ".").act(action, target, stay, this.signal);
  }

  /** The next request uses what run.json says then: a restarted cluster has other ports. */
  async close(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    await link?.close();
  }
}

function serversOf(text: string): string[] {
  const servers = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const wrong = servers.filter((server) => !/^(?:nats|tls):\/\/[^\s,/]+$/.test(server));
  if (servers.length === 0 || wrong.length > 0) {
    throw new CallerError(
      "invalid-request",
      `NATS nodes are named like nats://host:4222, several with commas between; not: ${wrong.join(", ") || "nothing"}.`,
    );
  }
  return servers;
}

/** `inboxOf("operator")`, without loading all contracts for it. */
const operatorInbox = "_INBOX_operator";

function readGiven(path: string | undefined, what: "password" | "seed" | "authority"): string | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new CallerError("invalid-request", `The NATS ${what} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** Nodes that run on machines that are not cut off come first: the majority is there. */
export function addressOf(run: RunFile, stateFolder: string): NatsAddress {
  const cut = new Set(run.machines.filter((machine) => machine.cut).map(({ id }) => id));
  const running = new Set(run.processes.filter(({ state }) => state === "running").map(({ id }) => id));
  const rank = (node: RunFile["nats"][number]) => (cut.has(node.machine) ? 1 : 0) + (running.has(node.id) ? 0 : 2);
  const nodes = [...run.nats].sort((one, other) => rank(one) - rank(other));
  const { user, passwordFile, seedFile, caFile } = run.natsCredentials;
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(stateFolder, path));
  if (nodes.length === 0) throw new OperationalError("unavailable", "run.json names no NATS node yet; try again.");
  return {
    servers: nodes.map(({ url }) => url),
    user: passwordFile === undefined ? undefined : user,
    password: readGiven(at(passwordFile), "password"),
    seed: readGiven(at(seedFile), "seed"),
    inboxPrefix: operatorInbox,
    authority: readGiven(at(caFile), "authority"),
  };
}
