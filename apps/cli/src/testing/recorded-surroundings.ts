import type { Surroundings } from "../surroundings.ts";

/** Surroundings whose output can be read afterwards. */
export interface RecordedSurroundings extends Surroundings {
  out(): string;
  err(): string;
  /** As Ctrl-C. */
  interrupt(): void;
  /** Resolves once stdout has what `is` looks for. */
  written(is: (text: string) => boolean): Promise<void>;
}

export function recordedSurroundings(
  given: Partial<Pick<Surroundings, "folder" | "environment" | "isTerminal">> & { readonly input?: string } = {},
): RecordedSurroundings {
  let out = "";
  let err = "";
  const abort = new AbortController();
  const waiting = new Set<() => void>();
  return {
    stdout: {
      write: (text) => {
        out += text;
        for (const look of waiting) look();
      },
    },
    stderr: { write: (text) => (err += text) },
    readInput: () => Promise.resolve(given.input ?? ""),
    environment: given.environment ?? {},
    folder: given.folder ?? "/",
    signal: abort.signal,
    isTerminal: given.isTerminal ?? false,
    columns: 100,
    out: () => out,
    err: () => err,
    interrupt: () => abort.abort(),
    written: (is) =>
      new Promise((resolve) => {
        const look = () => {
          if (!is(out)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
