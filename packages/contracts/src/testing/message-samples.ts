/**
 * Messages made from the description of their form (JSON Schema, as zod gives it): small ones that together show each
 * field, each branch and each value of an enumeration, and one without all that may be absent. Always the same ones.
 */
import { z } from "zod";

/** The part of JSON Schema that zod writes for contracts. */
export interface Description {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Description[];
  readonly oneOf?: readonly Description[];
  readonly properties?: Readonly<Record<string, Description>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Description;
  readonly propertyNames?: Description;
  readonly items?: Description;
  readonly maxItems?: number;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
}

/** Of what is sent, before defaults are filled in. */
export const descriptionOf = (form: z.ZodType): Description => z.toJSONSchema(form, { io: "input" }) as Description;

/** For every form of text in contracts; the first that fits is taken. */
const words = [
  "app-server-a",
  "USERJOBS",
  "0/3000148",
  "01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10",
  "2026-01-31T12:00:00.000Z",
  "http://10.0.0.1:8082",
];

/** @throws TypeError that names the place where no sample is known. */
export function samplesOf(description: Description, at = "message"): unknown[] {
  const { properties, items } = description;
  if ("const" in description) return [description.const];
  if (description.enum !== undefined) return [...description.enum];
  const branches = description.anyOf ?? description.oneOf;
  if (branches !== undefined) return distinct(branches.flatMap((branch) => samplesOf(branch, at)));
  if (properties !== undefined) return objectSamples(properties, new Set(description.required), at);
  if ("default" in description) return [description.default];
  const { type } = description;
  if (Array.isArray(type)) return type.flatMap((each: string) => samplesOf({ ...description, type: each }, at));
  switch (type) {
    case undefined:
      return ["anything"];
    case "object":
      return recordSamples(description, at);
    case "array":
      return [samplesOf(items ?? {}, `${at}[]`).slice(0, description.maxItems)];
    case "string":
      return [word(description, at)];
    case "integer":
    case "number":
      return [Math.min(Math.max(1, description.minimum ?? 1), description.maximum ?? 1)];
    case "boolean":
      return [true];
    case "null":
      return [null];
    default:
      throw new TypeError(`${at}: no sample is known for the type "${String(type)}"`);
  }
}

/** Whole; once more for each further value of each field; and with nothing that may be absent. */
function objectSamples(
  properties: Readonly<Record<string, Description>>,
  required: ReadonlySet<string>,
  at: string,
): unknown[] {
  const values = Object.entries(properties).map(([key, value]) => ({ key, values: samplesOf(value, `${at}.${key}`) }));
  const whole = Object.fromEntries(values.map(({ key, values: [first] }) => [key, first]));
  const others = values.flatMap(({ key, values: [, ...rest] }) => rest.map((value) => ({ ...whole, [key]: value })));
  const least = Object.fromEntries(Object.entries(whole).filter(([key]) => required.has(key)));
  return distinct([whole, ...others, least]);
}

function recordSamples({ propertyNames, additionalProperties }: Description, at: string): unknown[] {
  if (typeof additionalProperties !== "object") return [{}];
  const [key] = samplesOf(propertyNames ?? { type: "string" }, `${at}.*`);
  return samplesOf(additionalProperties, `${at}.*`).map((value) => ({ [String(key)]: value }));
}

function word({ pattern, format }: Description, at: string): string {
  const regex = new RegExp(pattern ?? "");
  const fits = (candidate: string) => regex.test(candidate) && (format !== "uri" || URL.canParse(candidate));
  const found = words.find(fits);
  if (found === undefined) throw new TypeError(`${at}: no sample is known for ${pattern ?? format}`);
  return found;
}

const distinct = (samples: readonly unknown[]): unknown[] => [
  ...new Map(samples.map((sample) => [JSON.stringify(sample), sample])).values(),
];

/** The name of a field that no version has. */
export const unknownField = "addedLater";

/** The same message as a newer version might send it: with a further field in each object that has fields. */
export function withUnknownFields(description: Description, message: unknown): unknown {
  const branches = description.anyOf ?? description.oneOf;
  if (branches !== undefined) {
    const branch = branches.find((each) => formOf(each).safeParse(message).success);
    return branch === undefined ? message : withUnknownFields(branch, message);
  }
  if (Array.isArray(message)) return message.map((item) => withUnknownFields(description.items ?? {}, item));
  if (typeof message !== "object" || message === null) return message;
  const { properties, additionalProperties } = description;
  const of = (key: string): Description =>
    properties?.[key] ?? (typeof additionalProperties === "object" ? additionalProperties : {});
  const fields = Object.entries(message).map(([key, value]) => [key, withUnknownFields(of(key), value)] as const);
  return {
    ...Object.fromEntries(fields),
    ...(properties !== undefined && { [unknownField]: { by: "a newer version" } }),
  };
}

/** What reads messages of that description. */
export const formOf = (description: Description): z.ZodType =>
  z.fromJSONSchema(description as Parameters<typeof z.fromJSONSchema>[0]);
