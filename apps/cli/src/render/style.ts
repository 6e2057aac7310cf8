import picocolors from "picocolors";

export type Colours = ReturnType<typeof picocolors.createColors>;

/** How text is drawn: with colours or without, and how wide a line may be. */
export interface Style {
  readonly colours: Colours;
  readonly columns: number;
}

/** How something stands, in the colour a person expects. */
export type Tone = "good" | "busy" | "bad" | "quiet";

export function toned(style: Style, tone: Tone, text: string): string {
  const { green, yellow, red, dim } = style.colours;
  return { good: green, busy: yellow, bad: red, quiet: dim }[tone](text);
}

/** What fits into the line; a cut text ends with an ellipsis. For text without colours. */
export const fitted = (style: Style, text: string, usedColumns = 0): string => {
  const room = style.columns - usedColumns;
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
};

/** https://no-color.org: any value that is not empty turns colours off. Redirected output has none either. */
export function styleOf(surroundings: {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
  readonly columns: number;
}): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = surroundings.environment;
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0";
  const coloured = !NO_COLOR && (forced || (surroundings.isTerminal && TERM !== "dumb"));
  return { colours: picocolors.createColors(coloured), columns: surroundings.columns };
}

export const plainStyle: Style = { colours: picocolors.createColors(false), columns: 100 };
