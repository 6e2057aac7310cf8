/** A binary that the cluster needs is not on this computer. The message says what is missing and what to do. */
export class EngineMissingError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "EngineMissingError";
  }
}
