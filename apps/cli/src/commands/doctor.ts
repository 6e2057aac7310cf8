import type { CommandContext } from "../command-context.ts";
import { examine } from "../doctor/examine.ts";
import { gather } from "../doctor/gather.ts";
import { renderChecks } from "../render/doctor.ts";

/** @returns the exit code: 1 when anything is wrong. */
export async function doctor(context: CommandContext): Promise<number> {
  const checks = examine(await gather(context));
  const isHealthy = checks.every(({ findings }) => findings.length === 0);
  context.output.show({ healthy: isHealthy, checks }, (style) => renderChecks(checks, style));
  return isHealthy ? 0 : 1;
}
