/**
 * Every command with its arguments, options and help. Nothing else is loaded before a command runs: each imports its
 * part when called, so `understudy --help` needs commander alone.
 */
import { Argument, Option, type Command } from "commander";
import type { ControlAction } from "@understudy/contracts";
import type { CommandContext } from "./command-context.ts";
import type { EnqueueArguments, JobFilterArguments, RetryArguments } from "./commands/jobs.ts";
import type { SecretsOptions, SetUpArguments } from "./commands/secrets.ts";

/** A command's work; a number is its exit code. */
export type Run = (context: CommandContext) => Promise<number | void>;

/** Declares every command; `execute` is called with the one that was chosen. */
export function declareCommands(program: Command, execute: (run: Run) => Promise<void>): void {
  program
    .description("Looks after an Understudy cluster: what runs, what happened, what is wrong; and moves its parts.")
    .addOption(new Option("--format <format>", "how results are written").choices(["table", "json"]).default("table"))
    .option("--state-dir <folder>", "folder of a local cluster's run.json (or UNDERSTUDY_STATE_DIR)")
    .option("--nats <urls>", "NATS nodes of a cluster anywhere (or UNDERSTUDY_NATS_SERVERS)")
    .option("--nats-seed-file <path>", "the operator's (or UNDERSTUDY_NATS_SEED_FILE)")
    .option("--nats-ca-file <path>", "whom to believe (or UNDERSTUDY_NATS_CA_FILE)")
    .option("--nats-user <name>", "(or UNDERSTUDY_NATS_USER)")
    .option("--nats-password-file <path>", "(or UNDERSTUDY_NATS_PASSWORD_FILE)")
    .helpCommand("help [command]", "show help")
    .addHelpText(
      "after",
      examples([
        ["understudy status", "is all well?"],
        ["understudy kill machine-b", "lose a machine; it comes back after a moment"],
        ["understudy history", "what happened, in words and milliseconds"],
        ["understudy doctor", "what is wrong and what to do"],
        ["understudy status --format json | jq .leader", "for scripts; exit code 0 only on success"],
      ]),
    );

  declareViews(program, execute);
  declareConfiguration(program, execute);
  declareDatabases(program, execute);
  declareJobs(program, execute);
  declareQueues(program, execute);
  declarePlacement(program, execute);
  declareProcessControl(program, execute);
  declareSecrets(program, execute);
}

function declareViews(program: Command, execute: (run: Run) => Promise<void>): void {
  program
    .command("status")
    .description("who leads, who serves, how each instance is")
    .addHelpText("after", examples([["understudy status"], ["understudy status --format json"]]))
    .action(() => execute(async (context) => (await import("./commands/status.ts")).status(context)));
  program
    .command("watch")
    .description("status that refreshes until Ctrl-C (with --format json: one line each)")
    .option("--interval <duration>", "time between two looks, such as 500ms or 2s", "1s")
    .addHelpText("after", examples([["understudy watch"], ["understudy watch --interval 250ms --format json"]]))
    .action((options: { interval: string }) =>
      execute(async (context) => (await import("./commands/watch.ts")).watch(context, options.interval)),
    );
  program
    .command("topology")
    .description("what runs where: machines, processes, NATS nodes, databases")
    .addHelpText("after", examples([["understudy topology"]]))
    .action(() => execute(async (context) => (await import("./commands/topology.ts")).topology(context)));
  program
    .command("history")
    .description("takeovers with their evidence and milliseconds, fates of instances, changes of the configuration")
    .option("--limit <number>", "how many of the latest entries", "50")
    .addHelpText("after", examples([["understudy history"], ["understudy history --limit 5 --format json"]]))
    .action((options: { limit: string }) =>
      execute(async (context) => (await import("./commands/history.ts")).history(context, options.limit)),
    );
  program
    .command("doctor")
    .description("checks everything and says what is wrong and what to do; exit code 1 when anything is")
    .addHelpText("after", examples([["understudy doctor"], ["understudy doctor --format json"]]))
    .action(() => execute(async (context) => (await import("./commands/doctor.ts")).doctor(context)));
  program
    .command("logs")
    .description("what the processes of a local cluster wrote, in order of time")
    .argument("[id...]", "processes or machines; all when none is named")
    .option("-f, --follow", "go on with what is written from now, until Ctrl-C")
    .addOption(
      new Option("--level <level>", "this level and above")
        .choices(["trace", "debug", "info", "warn", "error", "fatal"])
        .default("info"),
    )
    .option("--since <time>", "a duration back (5m, 2h) or a time (2026-01-31T12:00:00Z)")
    .option("-n, --lines <number>", "how many of the latest lines, when --since is not given", "200")
    .addHelpText(
      "after",
      examples([
        ["understudy logs message-server-a message-server-b"],
        ["understudy logs -f --level warn"],
        ["understudy logs machine-b --since 5m"],
      ]),
    )
    .action((ids: string[], options: { follow?: boolean; level: string; since?: string; lines: string }) =>
      execute(async (context) => (await import("./commands/logs.ts")).logs(context, ids, options)),
    );
}

function declareConfiguration(program: Command, execute: (run: Run) => Promise<void>): void {
  const config = program.command("config").description("reads and changes the cluster configuration");
  config
    .command("get")
    .description("the whole configuration, or one value")
    .argument("[path]", "such as appServers.drainMs")
    .addHelpText("after", examples([["understudy config get"], ["understudy config get loadBalancers.holdMs"]]))
    .action((path: string | undefined) =>
      execute(async (context) => (await import("./commands/config.ts")).configGet(context, path)),
    );
  config
    .command("set")
    .description("changes one value; refused when somebody else changed the configuration meanwhile")
    .argument("<path>", "such as appServers.drainMs")
    .argument("<value>", "JSON; what is not JSON is a text")
    .addOption(expectVersion())
    .addHelpText(
      "after",
      examples([
        ["understudy config set appServers.drainMs 5000"],
        [`understudy config set appServers.allowed '["app-server-a","app-server-b"]'`],
        ["understudy config set loadBalancers.holdMs 3000 --expect-version 7"],
      ]),
    )
    .action((path: string, value: string, options: { expectVersion?: string }) =>
      execute(async (context) =>
        (await import("./commands/config.ts")).configSet(context, path, value, options.expectVersion),
      ),
    );
  config
    .command("apply")
    .description("puts a whole configuration in place; what the file leaves out takes its default")
    .argument(
      "<file>",
      "JSON: settings, or what `config get --format json` printed (its version is expected); - is stdin",
    )
    .addOption(expectVersion())
    .addHelpText(
      "after",
      examples([
        ["understudy config get --format json > cluster.json && $EDITOR cluster.json"],
        ["understudy config apply cluster.json"],
      ]),
    )
    .action((file: string, options: { expectVersion?: string }) =>
      execute(async (context) =>
        (await import("./commands/config.ts")).configApply(context, file, options.expectVersion),
      ),
    );
}

function declareDatabases(program: Command, execute: (run: Run) => Promise<void>): void {
  const databases = program
    .command("db")
    .description("databases: members, history, failover on and off, pools, commits in doubt");
  const load = () => import("./commands/databases.ts");
  databases
    .command("list")
    .alias("status")
    .description("each member with role, state, timeline, lag, and whether it is in sync")
    .addHelpText("after", examples([["understudy db list"], ["understudy db list --format json"]]))
    .action(() => execute(async (context) => (await load()).list(context)));
  databases
    .command("history")
    .description("failovers with their milliseconds, who joined and left, loss and return of redundancy")
    .option("--limit <number>", "how many of the latest entries", "50")
    .action((options: { limit: string }) => execute(async (context) => (await load()).history(context, options.limit)));
  databases
    .command("pause")
    .description("no failover by itself until `db resume`; a switchover still works")
    .option("--reason <text>", "shown to everybody who looks", "maintenance")
    .addOption(ofDatabase())
    .action((options: { reason: string; database?: string }) =>
      execute(async (context) => (await load()).pause(context, options.database, options.reason)),
    );
  databases
    .command("resume")
    .description("fails over by itself again")
    .addOption(ofDatabase())
    .action((options: { database?: string }) =>
      execute(async (context) => (await load()).resume(context, options.database)),
    );
  databases
    .command("policy")
    .description("what the loss of the last standby means: nothing commits, or it serves on, degraded")
    .addArgument(new Argument("<policy>").choices(["strict", "available"]))
    .addOption(ofDatabase())
    .addHelpText("after", examples([["understudy db policy strict"]]))
    .action((policy: "strict" | "available", options: { database?: string }) =>
      execute(async (context) => (await load()).policy(context, policy, options.database)),
    );
  databases
    .command("pools")
    .description("the failover-pool of each service: connections, held callers, retries, replays, resolved commits")
    .action(() => execute(async (context) => (await load()).pools(context)));
  databases
    .command("in-doubt")
    .description("commits whose answer was lost, and how each ended")
    .action(() => execute(async (context) => (await load()).inDoubt(context)));
}

function declareJobs(program: Command, execute: (run: Run) => Promise<void>): void {
  const jobs = program.command("jobs").description("background jobs: look, enqueue, cancel, restart");
  const load = () => import("./commands/jobs.ts");
  jobs
    .command("list")
    .description("newest first")
    .option("--state <state>", "queued, running, completed, failed, aborted, cancelled or parked")
    .option("--queue <queue>", "only of this queue")
    .option("--type <type>", "only of this type")
    .option("--limit <number>", "how many of the latest", "50")
    .addHelpText(
      "after",
      examples([["understudy jobs list --state aborted"], ["understudy jobs list --queue USERJOBS --format json"]]),
    )
    .action((options: JobFilterArguments) => execute(async (context) => (await load()).list(context, options)));
  jobs
    .command("show")
    .description("one job: where it runs, how far it is, why it failed")
    .argument("<id>")
    .action((id: string) => execute(async (context) => (await load()).show(context, id)));
  jobs
    .command("enqueue")
    .description("a job to be done; its payload is checked as its type wants it")
    .argument("<queue>", "such as USERJOBS")
    .argument("<type>", "such as orders.deliver")
    .option("--payload <json>", "what it is about")
    .option("--delay <duration>", "not before that, such as 30s or 2h")
    .option("--priority <number>", "higher is sooner")
    .option("--unique-key <key>", "one job at a time has it")
    .option("--ordering-key <key>", "jobs with the same one run one at a time, in order")
    .addHelpText(
      "after",
      examples([
        [`understudy jobs enqueue MASSJOBS orders.deliver --payload '{"batches":5}'`],
        [`understudy jobs enqueue MASSJOBS stock.report --payload '{}' --delay 2h`],
      ]),
    )
    .action((queue: string, type: string, options: EnqueueArguments) =>
      execute(async (context) => (await load()).enqueue(context, queue, type, options)),
    );
  jobs
    .command("cancel")
    .description("at once, or when its handler has heard of it")
    .argument("<id>")
    .option("--reason <text>", "kept with the job")
    .action((id: string, options: { reason?: string }) =>
      execute(async (context) => (await load()).cancel(context, id, options.reason)),
    );
  jobs
    .command("restart")
    .description("a failed, aborted, cancelled or parked job, with all its attempts")
    .argument("<id>")
    .action((id: string) => execute(async (context) => (await load()).restart(context, id)));
  jobs
    .command("retry-all")
    .description("restarts all that match")
    .option("--state <states>", "of failed, aborted, cancelled, parked; commas between", "failed,aborted")
    .option("--queue <queue>", "only of this queue")
    .option("--type <type>", "only of this type")
    .option("--limit <number>", "at most", "10000")
    .option("--dry-run", "say which, restart nothing")
    .addHelpText(
      "after",
      examples([
        ["understudy jobs retry-all --dry-run"],
        ["understudy jobs retry-all --state aborted --queue USERJOBS"],
      ]),
    )
    .action((options: RetryArguments) => execute(async (context) => (await load()).retryAll(context, options)));
}

function declareQueues(program: Command, execute: (run: Run) => Promise<void>): void {
  const load = () => import("./commands/queues.ts");
  const queues = program
    .command("queues")
    .description("how full the queues are, how long jobs run, what became of them")
    .addHelpText("after", examples([["understudy queues"], ["understudy queues pause MASSJOBS --reason 'month end'"]]))
    .action(() => execute(async (context) => (await load()).list(context)));
  queues
    .command("pause")
    .description("nothing of it is started; what runs goes on")
    .argument("<queue>")
    .option("--reason <text>", "shown to everybody who looks")
    .action((queue: string, options: { reason?: string }) =>
      execute(async (context) => (await load()).setPaused(context, queue, true, options.reason)),
    );
  queues
    .command("resume")
    .description("starts its jobs again")
    .argument("<queue>")
    .action((queue: string) => execute(async (context) => (await load()).setPaused(context, queue, false, undefined)));
  program
    .command("services")
    .description("endless jobs: where each one runs, and since when")
    .action(() => execute(async (context) => (await load()).services(context)));
  program
    .command("schedules")
    .description("what is enqueued by the clock: last and next time")
    .action(() => execute(async (context) => (await load()).schedules(context)));
}

const ofDatabase = () => new Option("--database <name>", "which one, where there are several");

function declarePlacement(program: Command, execute: (run: Run) => Promise<void>): void {
  const reason = () => new Option("--reason <text>", "kept in the history");
  program
    .command("drain")
    .description("an app server takes nothing new and finishes what it has")
    .argument("<app-server>")
    .addOption(reason())
    .addHelpText("after", examples([["understudy drain app-server-b --reason 'new memory'"]]))
    .action((id: string, options: { reason?: string }) =>
      execute(async (context) => (await import("./commands/app-servers.ts")).drain(context, id, options.reason)),
    );
  program
    .command("resume")
    .description("a draining app server takes work again")
    .argument("<app-server>")
    .addOption(reason())
    .addHelpText("after", examples([["understudy resume app-server-b"]]))
    .action((id: string, options: { reason?: string }) =>
      execute(async (context) => (await import("./commands/app-servers.ts")).resume(context, id, options.reason)),
    );
  program
    .command("switchover")
    .description("the leader of a role hands over on purpose, without a gap")
    .addArgument(new Argument("<role>").choices(["message-server", "db"]))
    .option("--to <id>", "who shall lead; else the one that is ready")
    .addOption(ofDatabase())
    .addHelpText(
      "after",
      examples([
        ["understudy switchover message-server"],
        ["understudy switchover message-server --to message-server-b"],
        ["understudy switchover db", "the standby in sync takes the writes"],
        ["understudy switchover db --to postgres-b"],
      ]),
    )
    .action((role: string, options: { to?: string; database?: string }) =>
      execute(async (context) =>
        role === "db"
          ? (await import("./commands/databases.ts")).switchOver(context, options.to, options.database)
          : (await import("./commands/switchover.ts")).switchOver(context, options.to),
      ),
    );
}

function declareProcessControl(program: Command, execute: (run: Run) => Promise<void>): void {
  const target = "a process or a machine, such as app-server-a or machine-b";
  const machine = "such as machine-b";
  const act = (action: ControlAction, what: string, options: { readonly stay?: boolean } = {}) =>
    execute(async (context) =>
      (await import("./commands/process-control.ts")).controlProcess(context, action, what, options.stay ?? false),
    );
  program
    .command("kill")
    .description("kill -9; it is started again after 1 s, as a restart policy would")
    .argument("<target>", target)
    .option("--stay", "leave it down until `start`")
    .addHelpText("after", examples([["understudy kill message-server-a"], ["understudy kill machine-b --stay"]]))
    .action((what: string, options: { stay?: boolean }) => act("kill", what, options));
  program
    .command("start")
    .description("starts what was left down")
    .argument("<target>", target)
    .addHelpText("after", examples([["understudy start machine-b"]]))
    .action((what: string) => act("start", what));
  program
    .command("freeze")
    .description("stops a process in its tracks (SIGSTOP): alive, silent, unaware")
    .argument("<target>", target)
    .addHelpText("after", examples([["understudy freeze message-server-a"]]))
    .action((what: string) => act("freeze", what));
  program
    .command("thaw")
    .description("lets it go on (SIGCONT)")
    .argument("<target>", target)
    .addHelpText("after", examples([["understudy thaw message-server-a"]]))
    .action((what: string) => act("thaw", what));
  program
    .command("cut")
    .description("cuts a machine from the others, as a pulled cable would")
    .argument("<machine>", machine)
    .addHelpText("after", examples([["understudy cut machine-b"]]))
    .action((what: string) => act("cut", what));
  program
    .command("heal")
    .description("connects it again")
    .argument("<machine>", machine)
    .addHelpText("after", examples([["understudy heal machine-b"]]))
    .action((what: string) => act("heal", what));
}

function declareSecrets(program: Command, execute: (run: Run) => Promise<void>): void {
  const secrets = program
    .command("secrets")
    .description("passwords, keys and certificates of a cluster: made once, listed, replaced by kind; never shown");
  const load = () => import("./commands/secrets.ts");
  const owner = () =>
    new Option("--owner <reader=uid:gid...>", "who shall read a reader's files (as root only; repeat it)");
  secrets
    .command("setup")
    .description("makes what is missing; names what is damaged (exit code 78). Needs nothing that runs")
    .requiredOption("--folder <folder>", "where they are kept")
    .requiredOption("--nats-nodes <nodes>", "such as nats-a,nats-b=10.0.0.2,nats-c")
    .option("--postgres <instances>", "such as postgres-a,postgres-b=10.0.0.2", "")
    .option("--cluster <name>", "its name", "understudy")
    .option("--database <names>", "the databases", "understudy")
    .option("--edge <names>", "names by which users reach the load balancers", "localhost")
    .option("--edge-certificate <file>", "one that users' clients believe (PEM, with its chain)")
    .option("--edge-key <file>", "its key (PEM)")
    .addOption(owner())
    .addHelpText(
      "after",
      examples([
        [
          "understudy secrets setup --folder secrets --nats-nodes nats-a,nats-b,nats-c --postgres postgres-a,postgres-b",
        ],
      ]),
    )
    .action((options: SetUpArguments) => execute(async (context) => (await load()).setUp(context, options)));
  secrets
    .command("list")
    .description("kinds, files, when they were made and when they expire")
    .option("--folder <folder>", "that of the local cluster where not given")
    .addHelpText("after", examples([["understudy secrets list"]]))
    .action((options: SecretsOptions) => execute(async (context) => (await load()).list(context, options)));
  secrets
    .command("rotate")
    .description("replaces all secrets of a kind, and says what to restart in which order")
    .argument("<kind>", "as `secrets list` names them")
    .option("--folder <folder>", "that of the local cluster where not given")
    .option("--finish", "ends the time in which the old ones of this kind count too")
    .addOption(owner())
    .addHelpText(
      "after",
      examples([["understudy secrets rotate nats-users"], ["understudy secrets rotate nats-users --finish"]]),
    )
    .action((kind: string, options: SecretsOptions & { finish?: boolean }) =>
      execute(async (context) => (await load()).rotate(context, kind, options)),
    );
}

const expectVersion = () =>
  new Option("--expect-version <number>", "refuse unless the configuration has this version (default: as just read)");

function examples(lines: readonly (readonly [command: string, meaning?: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines
    .map(([command, meaning]) => (meaning ? `  ${command.padEnd(width)}   # ${meaning}` : `  ${command}`))
    .join("\n")}\n`;
}
