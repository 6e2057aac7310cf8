/** Zod's issues as the fields of a problem. Every fault is listed, not only the first. */
import { z } from "zod";
import { RequestError, type FieldError } from "./request-error.ts";

/** RFC 6901. The whole body is the empty pointer. */
export const jsonPointer = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

const parameterName = (path: readonly PropertyKey[]): string => String(path[0] ?? "");

type Parsed<Value> = { readonly value: Value } | { readonly faults: readonly FieldError[] };

function check<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
  fieldOf: (path: readonly PropertyKey[]) => string,
): Parsed<z.infer<Schema>> {
  const result = schema.safeParse(given);
  if (result.success) return { value: result.data };
  return {
    faults: result.error.issues.flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => ({ field: fieldOf([...issue.path, key]), message: "is not known here" }))
        : [{ field: fieldOf(issue.path), message: issue.message }],
    ),
  };
}

export const checkBody = <Schema extends z.ZodType>(schema: Schema, body: unknown): Parsed<z.infer<Schema>> =>
  check(schema, body, jsonPointer);

/** @throws RequestError 400 naming every parameter that is wrong. */
export function parseQuery<Schema extends z.ZodType>(schema: Schema, query: unknown): z.infer<Schema> {
  const parsed = check(schema, query, parameterName);
  if ("value" in parsed) return parsed.value;
  throw invalidRequest(parsed.faults);
}

export const invalidRequest = (faults: readonly FieldError[]): RequestError =>
  new RequestError(
    400,
    `The request is not valid: ${faults.map(({ field, message }) => `${field} ${message}`.trim()).join("; ")}.`,
    faults,
  );
