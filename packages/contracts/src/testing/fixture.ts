/**
 * What one version writes under one contract, kept in `fixtures/<version>/<contract>.json`; and what is wrong between
 * that version and this one. Both directions, since in an upgrade old and new services run beside each other:
 *
 * - an old message is read by today's form;
 * - today's message is read by the old form, which the fixture describes;
 * - a message of a version that does not exist yet, with fields nobody knows, is read by today's form.
 *
 * Each fault is a sentence that names version, contract, part and field.
 */
import { z } from "zod";
import { descriptionOf, formOf, samplesOf, withUnknownFields, type Description } from "./message-samples.ts";
import type { WireForms } from "./wire-forms.ts";

export interface Fixture {
  readonly contract: string;
  readonly subject?: string;
  readonly parts: Readonly<Record<string, { readonly form: Description; readonly messages: readonly unknown[] }>>;
}

/** @throws ZodError for a message that its own form refuses. */
export function fixtureOf(contract: string, { subject, parts }: WireForms): Fixture {
  return {
    contract,
    ...(subject !== undefined && { subject }),
    parts: Object.fromEntries(
      Object.entries(parts).map(([part, form]) => {
        const messages = samplesOf(descriptionOf(form), `${contract}.${part}`);
        for (const message of messages) form.parse(message);
        return [part, { form: descriptionOf(form), messages }];
      }),
    ),
  };
}

/** What today's services cannot read of what `version` sends. */
export function unreadable(version: string, fixture: Fixture, today: WireForms | undefined): string[] {
  const { contract, subject } = fixture;
  if (today === undefined) return [`${contract}: ${version} still sends it, and today there is no such contract`];
  const moved =
    subject === today.subject
      ? []
      : [`${contract}: ${version} uses the subject ${subject}, today it is ${today.subject}`];
  return [
    ...moved,
    ...Object.entries(fixture.parts).flatMap(([part, { messages }]) => {
      const form = today.parts[part];
      if (form === undefined) return [`${contract}: ${version} sends a ${part}, and today it has none`];
      return faultsIn(messages, form).map(
        (fault) => `${contract}, ${part} as ${version} sends it, is refused today: ${fault}`,
      );
    }),
  ];
}

/** What services of `version` cannot read of what today's send. */
export function unreadableThere(version: string, fixture: Fixture, today: WireForms): string[] {
  const { contract } = fixture;
  return Object.entries(fixture.parts).flatMap(([part, { form }]) => {
    const now = today.parts[part];
    if (now === undefined) return [];
    return faultsIn(samplesOf(descriptionOf(now), `${contract}.${part}`), formOf(form)).map(
      (fault) => `${contract}, ${part} as it is sent today, is refused by ${version}: ${fault}`,
    );
  });
}

/** What today's services would refuse only because a newer version says more. */
export function closedToMore(contract: string, { parts }: WireForms): string[] {
  return Object.entries(parts).flatMap(([part, form]) => {
    const description = descriptionOf(form);
    const messages = samplesOf(description, `${contract}.${part}`).map((each) => withUnknownFields(description, each));
    return faultsIn(messages, form).map(
      (fault) => `${contract}, ${part} with further fields of a newer version, is refused today: ${fault}`,
    );
  });
}

function faultsIn(messages: readonly unknown[], form: z.ZodType): string[] {
  const faults = messages.flatMap((message) => {
    const result = form.safeParse(message);
    return result.success ? [] : result.error.issues.flatMap((issue) => wordsOf(issue));
  });
  return [...new Set(faults)];
}

/** Of a choice the branch that fits best. */
function wordsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[] = []): string[] {
  const path = [...above, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const [nearest = []] = [...issue.errors].sort((one, other) => one.length - other.length);
    if (nearest.length > 0) return nearest.flatMap((inner) => wordsOf(inner, path));
  }
  return [`${path.map(String).join(".") || "the whole"}: ${issue.message}`];
}
