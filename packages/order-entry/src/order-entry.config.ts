import { integerVariable } from "@understudy/runtime";
import { z } from "zod";
import type { FirstDataSettings } from "./population/first-data.ts";

export const orderEntryVariables = {
  /** Warehouses at least. A larger number than before adds some; absent: as many as there are, 1 at first. */
  UNDERSTUDY_ORDER_ENTRY_SCALE: integerVariable(1, 10_000).optional(),
  /** Percent of TPC-C's rows in a warehouse; absent: as the data there have, 5 at first. */
  UNDERSTUDY_ORDER_ENTRY_DENSITY: integerVariable(1, 100).optional(),
  /** true: the job types that drills use, and their table. */
  UNDERSTUDY_ORDER_ENTRY_DRILLS: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional(),
} as const;

/** The variables as an app server has checked them. */
export function firstDataSettings(configuration: Readonly<Record<string, unknown>>): FirstDataSettings {
  const settings = z
    .object({
      UNDERSTUDY_ORDER_ENTRY_SCALE: z.int().optional(),
      UNDERSTUDY_ORDER_ENTRY_DENSITY: z.int().optional(),
    })
    .parse(configuration);
  return {
    warehouses: settings.UNDERSTUDY_ORDER_ENTRY_SCALE,
    densityPercent: settings.UNDERSTUDY_ORDER_ENTRY_DENSITY,
  };
}
