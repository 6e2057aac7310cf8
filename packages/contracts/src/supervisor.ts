/** Owned by whoever starts processes: `infra/local` on one computer, the image's entry process in a container. */
import { z } from "zod";
import { defineEvent } from "./contract.ts";
import { instanceRef, name } from "./identity.ts";

/** Proof that a process is gone. The only evidence that declares an instance lost without waiting (DESIGN 4). */
export const exitEvidence = defineEvent({
  subject: "understudy.supervisor.exit",
  sentBy: "supervisor",
  event: z.object({
    instance: instanceRef,
    machine: name,
    pid: z.int().positive(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    /** Wall clock, milliseconds since 1970. */
    at: z.number(),
  }),
});
export type ExitEvidence = z.infer<typeof exitEvidence.event>;

/** What a child tells its supervisor over Node's IPC channel. */
export const childMessage = z.discriminatedUnion("type", [
  /** First message, and again when an app server takes a new incarnation. */
  z.object({ type: z.literal("incarnation"), incarnation: z.uuid() }),
  /** All parts stand; `url` is where users or balancers reach it, `opsUrl` where probes do. */
  z.object({ type: z.literal("started"), opsUrl: z.url() }),
  z.object({ type: z.literal("serving"), url: z.url() }),
  /** Whether a front door may hand connections to it (load balancers). */
  z.object({ type: z.literal("accepts-connections"), accepts: z.boolean() }),
  /** An engine that this child runs (db-keeper: its PostgreSQL). Told at each change; `pid` null while none runs. */
  z.object({
    type: z.literal("engine"),
    id: z.string(),
    kind: z.literal("postgres"),
    pid: z.int().positive().nullable(),
    state: z.enum(["starting", "running", "waiting", "stopped"]),
  }),
  /** Answer to a `ping`. */
  z.object({ type: z.literal("pong") }),
]);
export type ChildMessage = z.infer<typeof childMessage>;
/** What a supervisor tells a child; `connection` carries an accepted TCP socket as its handle. */
export const supervisorMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("connection") }),
  z.object({ type: z.literal("ping") }),
  /** hold: leave the engine down when it ends (`kill --stay`). release: start it again (`start`). */
  z.object({ type: z.literal("engine"), id: z.string(), wish: z.enum(["hold", "release"]) }),
  /** The whole cluster is being stopped: who holds a role keeps it, since whoever it went to stops as well. */
  z.object({ type: z.literal("cluster-stops") }),
]);
export type SupervisorMessage = z.infer<typeof supervisorMessage>;

export const processKind = z.enum([
  "message-server",
  "app-server",
  "load-balancer",
  "heartbeat-monitor",
  "db-keeper",
  "db-pool",
  "nats",
  "postgres",
  "network",
]);
export type ProcessKind = z.infer<typeof processKind>;

/** `.understudy/run.json`: what runs on this computer, for scripts. Written whenever it changes. */
export const runFile = z.object({
  cluster: name,
  startedAt: z.string(),
  /** The process that supervises all others. */
  supervisor: z.object({ pid: z.int().positive(), controlSocket: z.string() }),
  urls: z.object({ loadBalancer: z.string(), api: z.string(), openapi: z.string() }),
  machines: z.array(z.object({ id: z.string(), cut: z.boolean() })),
  processes: z.array(
    z.object({
      id: z.string(),
      kind: processKind,
      machine: z.string(),
      pid: z.int().nullable(),
      state: z.enum(["starting", "running", "frozen", "waiting", "stopped"]),
      restarts: z.int().nonnegative(),
      url: z.string().optional(),
      opsUrl: z.string().optional(),
    }),
  ),
  databases: z.array(z.object({ name: z.string(), instances: z.array(z.object({ id: z.string(), url: z.string() })) })),
  /** `url` is where a client on the node's own machine connects. */
  nats: z.array(z.object({ id: z.string(), machine: z.string(), url: z.string(), monitorUrl: z.string() })),
  /** Of the user for operators: an nkey seed, or a password where NATS has no nkey users; `caFile` where it has TLS. */
  natsCredentials: z.object({
    user: z.string(),
    seedFile: z.string().optional(),
    passwordFile: z.string().optional(),
    caFile: z.string().optional(),
  }),
});
export type RunFile = z.infer<typeof runFile>;

/** The supervisor's control interface: HTTP with JSON over the unix socket named in run.json. */
export const controlAction = z.enum(["kill", "start", "freeze", "thaw", "cut", "heal"]);
export type ControlAction = z.infer<typeof controlAction>;
/** POST /<action>. */
export const controlRequest = z.object({
  /** An instance id or a machine (`machine-b`). */
  target: z.string().min(1),
  /** kill: leave it down until `start`. */
  stay: z.boolean().default(false),
});
export const controlReply = z.object({ affected: z.array(z.string()), message: z.string() });
export type ControlReply = z.infer<typeof controlReply>;
