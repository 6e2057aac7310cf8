/** Texts and numbers by the rules of the TPC-C specification, revision 5.11, clauses 2.1.6 and 4.3.2. */
import type { Random } from "./random.ts";

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const alphanumeric = `${letters}abcdefghijklmnopqrstuvwxyz0123456789`;
const digits = "0123456789";
const syllables = ["BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"] as const;

function textOf(random: Random, characters: string, least: number, most: number): string {
  const length = random.integer(least, most);
  let text = "";
  for (let index = 0; index < length; index += 1) text += characters[random.integer(0, characters.length - 1)];
  return text;
}

/** 4.3.2.2: a-string. */
export const aString = (random: Random, least: number, most: number): string =>
  textOf(random, alphanumeric, least, most);
/** 4.3.2.2: n-string. */
export const nString = (random: Random, least: number, most: number): string => textOf(random, digits, least, most);

/** 4.3.2.3: the last name of number 0 to 999, a syllable for each digit. */
export function lastName(number: number): string {
  return syllables[Math.floor(number / 100) % 10]! + syllables[Math.floor(number / 10) % 10]! + syllables[number % 10]!;
}

/** 2.1.6: non-uniform random, `constant` (C) fixed for the data. */
export function nonUniform(random: Random, a: number, least: number, most: number, constant: number): number {
  return (((random.integer(0, a) | random.integer(least, most)) + constant) % (most - least + 1)) + least;
}

/** 4.3.3.1: 26 to 50 characters; with "ORIGINAL" at a random place for the tenth that is selected. */
export function itemData(random: Random, isOriginal: boolean): string {
  const text = aString(random, 26, 50);
  if (!isOriginal) return text;
  const at = random.integer(0, text.length - "ORIGINAL".length);
  return text.slice(0, at) + "ORIGINAL" + text.slice(at + "ORIGINAL".length);
}

/** 4.3.2.7: four random digits and 11111. */
export const zip = (random: Random): string => `${nString(random, 4, 4)}11111`;

export interface Address {
  readonly street_1: string;
  readonly street_2: string;
  readonly city: string;
  readonly state: string;
  readonly zip: string;
}
export const address = (random: Random): Address => ({
  street_1: aString(random, 10, 20),
  street_2: aString(random, 10, 20),
  city: aString(random, 10, 20),
  state: textOf(random, letters, 2, 2),
  zip: zip(random),
});
