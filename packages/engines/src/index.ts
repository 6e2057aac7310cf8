export {
  formatLogPosition,
  inspectDataFolder,
  parseLogPosition,
  type ControlFile,
  type DataFolder,
} from "./control-file.ts";
export { EngineMissingError } from "./engine-missing-error.ts";
export { EngineProcess, EngineStartError, type EngineExit, type EngineProcessOptions } from "./engine-process.ts";
export { freePorts } from "./free-ports.ts";
export { natsServerBinary } from "./nats-binary.ts";
export type { NatsServerOptions, NatsTls, NatsUserRule, NatsUsers } from "./nats-configuration.ts";
export { jetStreamReady, natsServerReady, prepareNatsServer } from "./nats-server.ts";
export { postgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
export { cloneStandby, CloneRefusedError, type CloneOptions } from "./postgres-clone.ts";
export {
  synchronousStandbyNames,
  type AdmittedRoles,
  type PostgresAddress,
  type PostgresOptions,
  type PostgresTls,
  type ReplicationOptions,
  type SynchronousStandbys,
} from "./postgres-configuration.ts";
export { endOrphanedServer } from "./postgres-lock.ts";
export { postgresReady } from "./postgres-ready.ts";
export { rewindStandby, type RewindOptions, type RewindStep, type Rewound } from "./postgres-rewind.ts";
export { configurePostgres, preparePostgres, promotePostgres } from "./postgres-server.ts";
export { processTree, signalTree } from "./process-tree.ts";
export { Reaper } from "./reaper.ts";
export type { SpawnSpec } from "./spawn-spec.ts";
