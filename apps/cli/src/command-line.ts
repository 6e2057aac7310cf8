/**
 * From arguments to an exit code: 0 success; 1 the command failed, or `doctor` found something; 2 it was not
 * understood.
 */
import { Command, CommanderError } from "commander";
import { declareCommands } from "./commands.ts";
import { Output, type Format } from "./output.ts";
import type { Surroundings } from "./surroundings.ts";

const failed = 1;
const notUnderstood = 2;
const helpColumns = 100;

interface GlobalOptions {
  readonly format: Format;
  readonly stateDir?: string;
  readonly nats?: string;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsSeedFile?: string;
  readonly natsCaFile?: string;
}

/** Runs one command to its end and returns the exit code. Never rejects. */
export async function runCommandLine(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = new Command("understudy");
  const state = { exitCode: 0 };
  declareCommands(program, async (run) => {
    const { format, ...access } = program.opts<GlobalOptions>();
    const output = new Output(format, surroundings);
    // Loaded late: it brings the contracts, which `--help` does not need.
    const { CommandContext } = await import("./command-context.ts");
    const context = new CommandContext(output, surroundings, access);
    try {
      state.exitCode = (await run(context)) ?? 0;
    } catch (error) {
      output.fail(error);
      state.exitCode = failed;
    } finally {
      await context.close();
    }
  });
  const asksForJson = argv.some(
    (word, at) => word === "--format=json" || (word === "--format" && argv[at + 1] === "json"),
  );
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command
      .exitOverride()
      .showHelpAfterError(asksForJson ? false : "(see understudy --help)")
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({
        writeOut: (text) => surroundings.stdout.write(text),
        writeErr: (text) => surroundings.stderr.write(text),
        outputError: (text, write) =>
          write(
            asksForJson
              ? `${JSON.stringify({ code: "invalid-request", message: text.trim().replace(/^error: /, "") })}\n`
              : text.replace(/^error: /, "understudy: "),
          ),
        getOutHelpWidth: () => Math.min(surroundings.columns, helpColumns),
        getErrHelpWidth: () => Math.min(surroundings.columns, helpColumns),
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      });
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : notUnderstood;
  }
  return state.exitCode;
}
