/**
 * Who may say what: every contract with those who send it and those who answer or hear it, and who may do what with
 * which stream. NATS users get exactly this (packages/secrets), and docs/security.md shows it.
 *
 * One user per service kind, beside `supervisor` (whoever starts processes) and `operator` (the command line, the
 * cockpit). A new contract is added here, or a unit test fails.
 */
import { declaredLost, follow, setIntake } from "./app-server.ts";
import { configurationBucket } from "./cluster-configuration.ts";
import type { EventContract, RequestContract } from "./contract.ts";
import {
  changeDatabase,
  changeEntry,
  confirmStopped,
  commitInDoubt,
  databaseHistory,
  databaseHistoryStream,
  databaseHistorySubject,
  databaseLeaseBucket,
  databaseStatus,
  inDoubtStream,
  keeperState,
  poolFigures,
  primaryChanged,
  switchDatabase,
  switchPrimary,
  topologyBucket,
  topologyPublished,
} from "./database.ts";
import { beat, detectorReport, probe } from "./heartbeat.ts";
import { historyStream, historySubject } from "./history.ts";
import type { ServiceKind } from "./identity.ts";
import {
  clusterStatus,
  deregister,
  drainServer,
  getConfiguration,
  leaderBeat,
  messageServerRole,
  readHistory,
  register,
  resumeServer,
  setConfiguration,
  switchover,
} from "./message-server.ts";
import { routingPublished, stateBucket } from "./routing.ts";
import { exitEvidence } from "./supervisor.ts";
import {
  cancelJob,
  enqueueJob,
  listJobs,
  restartJob,
  retryJobs,
  setQueuePaused,
  showJob,
  workAvailable,
  workQueues,
  workSchedules,
  workServices,
} from "./work-queues.ts";

export type NatsUser = ServiceKind | "supervisor" | "operator";

/** read: entries, watches, figures. write: entries. make: where it is absent. move: which node leads it (L6). */
export type StreamRight = "read" | "write" | "make" | "move";

export interface StreamAccess {
  readonly stream: string;
  /** What is written lands in it by being published here. */
  readonly subject: string;
  readonly may: readonly StreamRight[];
}

export interface NatsAccess {
  readonly asks: readonly RequestContract[];
  readonly answers: readonly RequestContract[];
  readonly tells: readonly EventContract[];
  readonly hears: readonly EventContract[];
  readonly streams: readonly StreamAccess[];
  /** Sees the names and figures of all streams, and reads each. */
  readonly seesAllStreams?: true;
}

/** Answers come to subjects below it, and no other user hears there. */
export const inboxOf = (user: NatsUser): string => `_INBOX_${user}`;

const bucket = (name: string, ...may: StreamRight[]): StreamAccess => ({
  stream: `KV_${name}`,
  subject: `$KV.${name}.>`,
  may,
});
const stream = (name: string, subject: string, ...may: StreamRight[]): StreamAccess => ({ stream: name, subject, may });
const leaseOf = (role: string): string => `understudy_lease_${role}`;

/** Every service beats and answers probes. */
const service = { answers: [probe], tells: [beat] };
/** Every service with a failover-pool. */
const withPool = { tells: [poolFigures, commitInDoubt], hears: [primaryChanged, topologyPublished] };

/** About background work; any app server answers. */
const workRequests = [
  listJobs,
  showJob,
  enqueueJob,
  cancelJob,
  restartJob,
  retryJobs,
  workQueues,
  setQueuePaused,
  workServices,
  workSchedules,
];

/** @param databases their names: each has a lease of its own. */
export function natsAccess(databases: readonly string[]): Readonly<Record<NatsUser, NatsAccess>> {
  return {
    "message-server": {
      asks: [follow, setIntake, declaredLost, probe],
      answers: [
        ...service.answers,
        register,
        deregister,
        clusterStatus,
        getConfiguration,
        setConfiguration,
        drainServer,
        resumeServer,
        switchover,
        readHistory,
      ],
      tells: [...service.tells, ...withPool.tells, leaderBeat, routingPublished, workAvailable],
      hears: [...withPool.hears, leaderBeat, beat, detectorReport, exitEvidence],
      streams: [
        bucket(leaseOf(messageServerRole), "read", "write", "make", "move"),
        bucket(configurationBucket, "read", "write", "make", "move"),
        bucket(stateBucket, "read", "write", "make", "move"),
        stream(historyStream, historySubject, "read", "write", "make", "move"),
      ],
    },
    "app-server": {
      asks: [register, deregister],
      answers: [...service.answers, follow, setIntake, declaredLost, ...workRequests],
      tells: [...service.tells, ...withPool.tells, workAvailable],
      hears: [...withPool.hears, leaderBeat, routingPublished, workAvailable],
      streams: [bucket(configurationBucket, "read")],
    },
    "load-balancer": {
      asks: [],
      ...service,
      hears: [routingPublished],
      streams: [bucket(configurationBucket, "read"), bucket(stateBucket, "read")],
    },
    "heartbeat-monitor": {
      asks: [probe],
      answers: service.answers,
      tells: [...service.tells, detectorReport],
      hears: [beat, exitEvidence],
      streams: [bucket(configurationBucket, "read")],
    },
    "db-keeper": {
      asks: [probe, confirmStopped],
      answers: [...service.answers, switchPrimary, changeEntry, confirmStopped],
      tells: [...service.tells, keeperState, primaryChanged],
      hears: [keeperState, exitEvidence],
      streams: [
        ...databases.map((database) => bucket(databaseLeaseBucket(database), "read", "write", "make", "move")),
        stream(databaseHistoryStream, databaseHistorySubject, "read", "write", "make"),
      ],
    },
    "db-pool": {
      asks: [changeEntry, switchPrimary],
      answers: [...service.answers, databaseStatus, databaseHistory, changeDatabase, switchDatabase],
      tells: [...service.tells, topologyPublished, primaryChanged],
      hears: [primaryChanged, keeperState, exitEvidence, poolFigures, commitInDoubt],
      streams: [
        bucket(configurationBucket, "read"),
        ...databases.map((database) => bucket(databaseLeaseBucket(database), "read")),
        bucket(topologyBucket, "read", "write", "make"),
        stream(databaseHistoryStream, databaseHistorySubject, "read"),
        // Written by what services tell.
        stream(inDoubtStream, commitInDoubt.subject, "read", "make"),
      ],
    },
    supervisor: { asks: [], answers: [], tells: [exitEvidence], hears: [], streams: [] },
    operator: {
      asks: [
        clusterStatus,
        getConfiguration,
        setConfiguration,
        drainServer,
        resumeServer,
        switchover,
        readHistory,
        databaseStatus,
        databaseHistory,
        changeDatabase,
        switchDatabase,
        probe,
        ...workRequests,
      ],
      answers: [],
      tells: [],
      hears: [
        routingPublished,
        beat,
        leaderBeat,
        detectorReport,
        exitEvidence,
        keeperState,
        primaryChanged,
        topologyPublished,
      ],
      streams: [],
      seesAllStreams: true,
    },
  };
}

export const natsUsers: readonly NatsUser[] = [
  "message-server",
  "app-server",
  "load-balancer",
  "heartbeat-monitor",
  "db-keeper",
  "db-pool",
  "supervisor",
  "operator",
];
