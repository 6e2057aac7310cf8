/** The folder is not as it was left: each file that is missing or damaged, and what to do. */
export class SecretsError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(
      faults.length === 1
        ? (faults[0] ?? "")
        : `The secrets have ${faults.length} faults:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
    this.name = "SecretsError";
  }
}
