import { CallerError } from "@understudy/runtime";

/** One fault of a request. `field`: JSON pointer into the body, name of a query parameter, or name of a header. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** A request that fails again as it is; becomes an RFC 9457 answer with `status`. */
export class RequestError extends CallerError {
  constructor(
    readonly status: 400 | 404 | 409 | 413 | 415 | 422,
    detail: string,
    readonly fields: readonly FieldError[] = [],
  ) {
    super(status === 409 ? "conflict" : "invalid-request", detail, {
      faults: fields.map(({ field, message }) => `${field}: ${message}`),
    });
  }
}
