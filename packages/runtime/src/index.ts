export type { ApplicationContext, ApplicationWork, BusinessApplication } from "./application.ts";
export {
  authorityFileVariable,
  ConfigurationError,
  databaseVariables,
  exitCodeForConfiguration,
  integerVariable,
  listVariable,
  portVariable,
  readConfiguration,
  secretFileVariable,
  seedFileVariable,
  serviceVariables,
} from "./configuration.ts";
export { CallerError, fromWire, InvariantError, OperationalError, toWire, UnderstudyError } from "./errors.ts";
export { Identity } from "./identity.ts";
export { createLog, LOG, NestLog, type Log } from "./log.ts";
export {
  NatsConnections,
  type LifelineState,
  type NatsConnectionState,
  type NatsSettings,
} from "./nats/connections.ts";
export { loginOptions, type NatsLogin } from "./nats/login.ts";
export { HandlesRequest, InstanceServer, parseRequest, WireErrorFilter } from "./nats/instance-server.ts";
export {
  call,
  LeaderChangedError,
  listen,
  NoAnswerError,
  NoRespondersHint,
  publish,
  type CallOptions,
} from "./nats/messages.ts";
export { SettingsWatch } from "./nats/settings-watch.ts";
export { isRevisionConflict } from "./nats/revision-conflict.ts";
export { Readiness } from "./ops/readiness.ts";
export {
  createPool,
  databaseSettings,
  poolOptions,
  sessionName,
  StandingRefusedError,
  watchPool,
  type DatabaseSettings,
  type PoolOptions,
} from "./postgres/database.ts";
export { applicationPrivileges } from "./postgres/application-privileges.ts";
export { installCommitMarkers } from "./postgres/commit-markers.ts";
export { ownerSettings, withOwner } from "./postgres/owner.ts";
export { PoolWire } from "./postgres/pool-wire.ts";
export type { FailoverPool } from "@understudy/failover-pool";
export { databaseAddress, type DatabaseAddress, type DatabaseHost } from "./postgres/database-address.ts";
export { assertStanding, standingSchema } from "./postgres/standing.ts";
export { CONFIGURATION, runService, tellSupervisor, type ServiceContext, type ServiceDefinition } from "./service.ts";
export { Shutdown, shutdownPhases, type ShutdownPhase } from "./shutdown.ts";
export { Backoff, pause } from "./wait.ts";
export { installWorkQueue, workQueueSchema } from "./work/install-work-queue.ts";
export { jobViewOf, scheduleViewOf, serviceViewOf } from "./work/job-view.ts";
export { asWorkError } from "./work/work-error.ts";
export { NatsWakeUp } from "./work/nats-wake-up.ts";
