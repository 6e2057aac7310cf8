import { join } from "node:path";

/** Where a reader's file lies. */
export const secretFile = (folder: string, reader: string, file: string): string => join(folder, "for", reader, file);
