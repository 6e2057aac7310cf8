/**
 * A histogram that is cheap to add to: prom-client's costs 1 of the 40 microseconds of a forwarded request, this one a
 * twentieth of that. It gives its figures in the form of prom-client's metrics.
 */
const boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

interface Value {
  readonly metricName: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

export class LatencyHistogram {
  readonly #counts: number[] = Array.from({ length: boundsSeconds.length + 1 }, () => 0);
  #sum = 0;

  constructor(
    readonly name: string,
    readonly help: string,
  ) {}

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < boundsSeconds.length && seconds > (boundsSeconds[bucket] as number)) bucket++;
    (this.#counts[bucket] as number)++;
    this.#sum += seconds;
  }

  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Value[] }> {
    let total = 0;
    const values: Value[] = [];
    for (const [index, count] of this.#counts.entries()) {
      total += count;
      values.push({ metricName: `${this.name}_bucket`, value: total, labels: { le: boundsSeconds[index] ?? "+Inf" } });
    }
    values.push({ metricName: `${this.name}_sum`, value: this.#sum, labels: {} });
    values.push({ metricName: `${this.name}_count`, value: total, labels: {} });
    return Promise.resolve({ name: this.name, help: this.help, type: "histogram", aggregator: "sum", values });
  }
}
