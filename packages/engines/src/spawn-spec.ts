/** Everything needed to start one engine process; plain data, so that a supervisor can keep it and start it again. */
export interface SpawnSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Set when the process must not run as the user that starts it (PostgreSQL refuses root). */
  readonly uid?: number;
  readonly gid?: number;
}
