/** One queue system behind one interface: what the measurement asks of each. */

export interface Target {
  readonly url: string;
  readonly redisPort: number | undefined;
  /** The folder in which the peers' packages are installed. */
  readonly peers: string;
}

/** What is measured does nothing with it but tell what it says. */
export interface BenchPayload {
  readonly k: number;
  readonly to: string;
  /** When it was added, by the clock that all processes of a machine share; nanoseconds as text. */
  readonly at?: string;
}

export type BenchHandler = (payload: BenchPayload) => void | Promise<void>;

export interface Producer {
  /** Resolves when it is acknowledged. */
  add(payload: BenchPayload): Promise<unknown>;
  addMany(payloads: readonly BenchPayload[]): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface Adapter {
  /** An empty queue in a new schema. */
  reset(): Promise<void>;
  producer(): Promise<Producer>;
  /** Connects; returns what begins the work. */
  consumer(handler: BenchHandler): Promise<() => unknown>;
  /** Jobs that are not done and acknowledged. */
  pending(): Promise<number>;
}

/** Settings of a contestant, as its adapter understands them. */
export type AdapterSettings = Readonly<Record<string, unknown>>;
export type MakeAdapter = (target: Target, settings: AdapterSettings) => Adapter;

export const poolSize = 16;
