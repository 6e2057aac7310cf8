import type { ErrorCode, WireError } from "@understudy/contracts";

/** The three roots of everything that is thrown. On the wire each becomes `{ code, message, retryable }`. */
export abstract class UnderstudyError extends Error {
  abstract readonly code: ErrorCode;
  abstract readonly retryable: boolean;
  readonly faults?: readonly string[];

  constructor(message: string, options?: { cause?: unknown; faults?: readonly string[] }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    if (options?.faults !== undefined) this.faults = options.faults;
  }

  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.faults && { faults: [...this.faults] }),
    };
  }
}

/** The caller's to fix: the same request fails again. */
export class CallerError extends UnderstudyError {
  readonly retryable = false;
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown; faults?: readonly string[] },
  ) {
    super(message, options);
  }
}

/** May pass by itself: the same request may succeed later. */
export class OperationalError extends UnderstudyError {
  readonly retryable = true;
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Our bug. */
export class InvariantError extends UnderstudyError {
  readonly code = "internal";
  readonly retryable = false;
}

/** The error of another service, as it came over the wire. */
export function fromWire(error: WireError): UnderstudyError {
  return error.retryable
    ? new OperationalError(error.code, error.message)
    : new CallerError(error.code, error.message, error.faults ? { faults: error.faults } : undefined);
}

/** Any thrown value in wire form; what we do not know is `internal`. */
export function toWire(error: unknown): WireError {
  if (error instanceof UnderstudyError) return error.toWire();
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, retryable: false };
}
