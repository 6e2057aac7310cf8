/** Bugs that the tests must catch: what stands in the code, what it is made into, and the tests that must fail then. */

export interface PlantedBug {
  /** What somebody might do, in words. */
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly right: string;
  readonly wrong: string;
  readonly test: {
    readonly path: string;
    /** A pattern for the names of the tests to run; all of the file when absent. */
    readonly name?: string;
  };
}

export const plantedBugs: readonly PlantedBug[] = [];
