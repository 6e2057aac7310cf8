/** The value below which the fraction `q` of `values` lies, interpolated. NaN for no values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}

export interface Summary {
  readonly rounds: number;
  readonly median: number;
  readonly p99: number;
  readonly most: number;
}

export const summarise = (values: readonly number[]): Summary => ({
  rounds: values.length,
  median: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  most: Math.max(...values),
});

export const markdownRow = (cells: readonly (string | number)[]): string =>
  `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(cell < 10 ? 1 : 0) : cell)).join(" | ")} |`;
