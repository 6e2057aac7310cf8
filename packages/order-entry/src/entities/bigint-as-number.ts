import type { ValueTransformer } from "typeorm";

/** `pg` gives bigint as text. Our sums of cents stay far below 2^53, where a number is exact. */
export const bigintAsNumber: ValueTransformer = {
  to: (value: number) => value,
  from: (value: string) => Number(value),
};
