/**
 * The connection as a cursor sees it: what `pg-cursor` calls of `pg`'s connection, over one that can be replaced.
 * What is sent while there is none is kept by the cursor's query (`cursor-query.ts`), not here.
 */
import { EventEmitter } from "node:events";

/** What `pg-cursor` 2.22 uses of `pg`'s connection. */
export interface CursorMessages {
  parse(query: { readonly text: string }, more?: boolean): void;
  bind(config: { readonly portal: string; readonly values: unknown }, more?: boolean): void;
  describe(message: { readonly type: string; readonly name: string }, more?: boolean): void;
  execute(config: { readonly portal: string; readonly rows: number }, more?: boolean): void;
  close(message: { readonly type: string; readonly name: string }, more?: boolean): void;
  flush(): void;
  sync(): void;
  end(): void;
}

export interface CursorListener {
  opening(message: "parse" | "bind" | "describe", config: never): void;
  executing(config: { readonly portal: string; readonly rows: number }): void;
  closing(): void;
}

export class CursorConnection extends EventEmitter implements CursorMessages {
  /** Undefined while there is none. */
  target: CursorMessages | undefined;

  constructor(private readonly listener: CursorListener) {
    super();
  }

  parse(query: { readonly text: string }): void {
    this.listener.opening("parse", query as never);
    this.target?.parse(query, true);
  }

  bind(config: { readonly portal: string; readonly values: unknown }): void {
    this.listener.opening("bind", config as never);
    this.target?.bind(config, true);
  }

  describe(message: { readonly type: string; readonly name: string }): void {
    this.listener.opening("describe", message as never);
    this.target?.describe(message, true);
  }

  execute(config: { readonly portal: string; readonly rows: number }): void {
    this.listener.executing(config);
    this.target?.execute(config, true);
  }

  close(message: { readonly type: string; readonly name: string }): void {
    this.listener.closing();
    this.target?.close(message);
  }

  flush(): void {
    this.target?.flush();
  }

  sync(): void {
    this.target?.sync();
  }

  end(): void {
    this.target?.end();
  }
}
