/**
 * A small business application as an app server hosts it. Plain JavaScript, because a started service imports it
 * as it stands; the decorators are therefore called by hand.
 */
import { Body, Controller, Get, Inject, Post, Query } from "@nestjs/common";
import { createPool } from "@understudy/runtime";
import { z } from "zod";

const POOL = Symbol("POOL");
const lateWrites = [];

class LedgerController {
  constructor(pool, context) {
    this.pool = pool;
    this.context = context;
  }

  /** Who serves, as the application and as the database see it. */
  async who() {
    const { rows } = await this.pool.query("SELECT current_setting('application_name') AS session");
    return { pid: process.pid, ...this.context.identity.ref, session: rows[0].session };
  }

  async enter({ text }) {
    await this.pool.query("INSERT INTO ledger (text) VALUES ($1)", [text]);
    return { text };
  }

  async slow(ms) {
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    return { waitedMs: Number(ms) };
  }

  /** Holds a database session while it runs; where that is ended, tries another one when its server serves again. */
  async held(ms, text) {
    await this.pool.query("SELECT pg_sleep($1)", [Number(ms) / 1_000]).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const pool = open(this.context);
    const outcome = pool.query("INSERT INTO ledger (text) VALUES ($1)", [text]).then(
      () => "written",
      (error) => error.message,
    );
    lateWrites.push(await outcome);
    await pool.end();
    return {};
  }

  /** What became of such second tries, of earlier incarnations too. */
  late() {
    return { writes: lateWrites };
  }
}

const decorate = (method, route, ...parameters) => {
  const descriptor = Object.getOwnPropertyDescriptor(LedgerController.prototype, method);
  route(LedgerController.prototype, method, descriptor);
  for (const [index, parameter] of parameters.entries()) parameter(LedgerController.prototype, method, index);
};
decorate("who", Get("who"));
decorate("enter", Post("entries"), Body());
decorate("slow", Get("slow"), Query("ms"));
decorate("late", Get("late"));
decorate("held", Post("held"), Query("ms"), Query("text"));
Controller("api/ledger")(LedgerController);
Inject(POOL)(LedgerController, undefined, 0);
Inject("CONTEXT")(LedgerController, undefined, 1);

class Pool {
  constructor(pool) {
    this.pool = pool;
  }
  onModuleDestroy() {
    return this.pool.end();
  }
}
Inject(POOL)(Pool, undefined, 0);

class LedgerModule {}

const open = ({ database, identity, log }) => createPool(database, identity, { assertsStanding: true }, log);

export const application = {
  name: "ledger",
  variables: { UNDERSTUDY_LEDGER_FIRST_ENTRY: z.string().min(1).default("opened") },
  async prepare(context) {
    const pool = open(context);
    try {
      await pool.query("SELECT pg_advisory_lock(4711)");
      await pool.query("CREATE TABLE IF NOT EXISTS ledger (text text NOT NULL)");
      await pool.query("INSERT INTO ledger SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM ledger)", [
        context.configuration["UNDERSTUDY_LEDGER_FIRST_ENTRY"],
      ]);
    } finally {
      await pool.end();
    }
  },
  module: (context) => ({
    module: LedgerModule,
    controllers: [LedgerController],
    providers: [{ provide: POOL, useFactory: () => open(context) }, { provide: "CONTEXT", useValue: context }, Pool],
  }),
};
