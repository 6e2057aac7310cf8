/** The command line of `npm start`. */
import { parseArgs } from "node:util";
import { CallerError } from "@understudy/runtime/errors";

export interface StartArguments {
  readonly fresh: boolean;
  readonly scale: number;
  readonly port: number;
  readonly tls: boolean;
  readonly color: boolean;
  readonly help: boolean;
}

export const help = `npm start -- [options]      the whole cluster on this computer, in the foreground

  --fresh        begin anew: remove the data of former runs
  --scale N      warehouses of the order entry (1)
  --port P       port of the one URL (8080; another when it is taken)
  --tls          NATS and PostgreSQL speak TLS between the parts, as in containers
  --no-color     no colours
  --help         this text

State lies under .understudy/ (or UNDERSTUDY_STATE_DIR); Ctrl-C stops everything.
`;

const options = {
  fresh: { type: "boolean", default: false },
  scale: { type: "string", default: "1" },
  port: { type: "string", default: "8080" },
  tls: { type: "boolean", default: false },
  "no-color": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** @throws CallerError naming every fault. */
export function parseArguments(args: readonly string[]): StartArguments {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    // Node's own sentence names the argument; what follows it is advice for programmers.
    const [reason] = (cause as Error).message.split(". ");
    throw new CallerError(
      "invalid-request",
      `${reason}. Known: ${Object.keys(options)
        .map((each) => `--${each}`)
        .join(", ")}.`,
      {
        cause,
      },
    );
  }
  const faults: string[] = [];
  const whole = (name: "scale" | "port", least: number, most: number): number => {
    const value = Number(values[name]);
    if (!/^\d+$/.test(values[name]) || value < least || value > most) {
      faults.push(`--${name} takes a whole number from ${least} to ${most}, not "${values[name]}"`);
    }
    return value;
  };
  const scale = whole("scale", 1, 1_000);
  const port = whole("port", 0, 65_535);
  if (faults.length > 0) throw new CallerError("invalid-request", `${faults.join("; ")}.`, { faults });
  return { fresh: values.fresh, scale, port, tls: values.tls, color: !values["no-color"], help: values.help };
}

const parse = (args: readonly string[]) => parseArgs({ args: [...args], options, allowPositionals: false }).values;
