/** What `doctor` found out, before anything is judged. A probe that failed is a fact with its reason. */
import type {
  ClusterRoles,
  ClusterStatus,
  DatabaseStatus,
  HostFigures,
  RoutingTable,
  RunFile,
} from "@understudy/contracts";

/** An answer over HTTP, or why there was none. */
export type Answer =
  | { readonly kind: "answered"; readonly status: number; readonly body: unknown; readonly ms: number }
  | { readonly kind: "failed"; readonly reason: string };

export interface ProcessFacts {
  readonly id: string;
  readonly live: Answer;
  readonly ready: Answer;
}

export interface NatsFacts {
  readonly id: string;
  readonly health: Answer;
  readonly version: string | undefined;
  /** Names of the nodes that it is connected to; undefined when it could not be asked. */
  readonly neighbours: readonly string[] | undefined;
}

export interface StreamFacts {
  readonly name: string;
  readonly leader: string | undefined;
  readonly replicas: number;
  /** Copies that are there and up to date, the leader's among them. */
  readonly current: number;
  /** Nodes whose copy is away or behind. */
  readonly behind: readonly string[];
}

export interface DatabaseFacts {
  readonly id: string;
  readonly url: string;
  /** Why it cannot be reached; undefined when PostgreSQL answered. */
  readonly failure: string | undefined;
}

export interface HostFacts {
  readonly machine: string;
  readonly figures: HostFigures;
  /** The machine's clock minus ours, least over its beats: the way of a message is in it. */
  readonly clockOffsetMs: number;
}

/** What only the computer of a local cluster can tell. */
export interface LocalFacts {
  readonly stateFolder: string;
  readonly run: RunFile;
  readonly supervisorAlive: boolean;
  readonly controlAnswers: boolean;
  readonly disk: { readonly totalBytes: number; readonly availableBytes: number } | undefined;
  readonly processes: readonly ProcessFacts[];
  readonly nats: readonly NatsFacts[];
  readonly databases: readonly DatabaseFacts[];
  /** What a user gets at the one URL. */
  readonly door: Answer;
}

export interface DoctorFacts {
  /** Absent for a cluster that is reached over NATS alone. */
  readonly local: LocalFacts | undefined;
  /** Why no NATS node lets us in; undefined when one did. */
  readonly natsFailure: string | undefined;
  /** Absent when no message server answered. */
  readonly status: ClusterStatus | undefined;
  /** As it stands in the configuration, for when nobody answers. */
  readonly roles: ClusterRoles | undefined;
  /** Absent when no db-pool answered. */
  readonly databases?: DatabaseStatus | undefined;
  readonly routing: RoutingTable | undefined;
  readonly streams: readonly StreamFacts[] | undefined;
  readonly hosts: readonly HostFacts[];
  readonly node: string;
}
