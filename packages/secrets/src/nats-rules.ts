/** From who may say what (`contracts/access.ts`) to what nats-server lets each user publish and subscribe. */
import {
  inboxOf,
  natsAccess,
  natsUsers,
  type NatsAccess,
  type NatsUser,
  type StreamAccess,
  type StreamRight,
} from "@understudy/contracts";
import type { NatsUserRule } from "@understudy/engines/nats-configuration";

export interface SubjectRule {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** One rule for all instances of a kind: they share a user. */
const anyId = ({ subject }: { readonly subject: string }): string => subject.replace("{id}", "*");

const reading = (stream: string): string[] => [
  `$JS.API.STREAM.INFO.${stream}`,
  `$JS.API.STREAM.MSG.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
  `$JS.API.CONSUMER.CREATE.${stream}`,
  `$JS.API.CONSUMER.CREATE.${stream}.>`,
  `$JS.API.CONSUMER.INFO.${stream}.*`,
  `$JS.API.CONSUMER.DELETE.${stream}.*`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  `$JS.FC.${stream}.>`,
];

const rights: Readonly<Record<StreamRight, (access: StreamAccess) => string[]>> = {
  read: ({ stream }) => reading(stream),
  write: ({ subject }) => [subject],
  make: ({ stream }) => ["$JS.API.STREAM.NAMES", `$JS.API.STREAM.CREATE.${stream}`],
  move: ({ stream }) => [`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`],
};

export function subjectRule(user: NatsUser, access: NatsAccess): SubjectRule {
  const inbox = `${inboxOf(user)}.>`;
  const streams = access.streams.flatMap((one) => one.may.flatMap((right) => rights[right](one)));
  const all = access.seesAllStreams === true ? ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", ...reading("*")] : [];
  const usesStreams = streams.length + all.length > 0 ? ["$JS.API.INFO"] : [];
  const unique = (subjects: readonly string[]): string[] => [...new Set(subjects)];
  return {
    // Its own inbox: detectors send themselves echoes through each node.
    publish: unique([...[...access.asks, ...access.tells].map(anyId), ...usesStreams, ...streams, ...all, inbox]),
    subscribe: unique([...[...access.answers, ...access.hears].map(anyId), inbox]),
  };
}

/** Several keys of one user: while they are replaced both are let in. */
export function natsUserRules(
  databases: readonly string[],
  keysOf: (user: NatsUser) => readonly string[],
): readonly NatsUserRule[] {
  const access = natsAccess(databases);
  return natsUsers.flatMap((user) => {
    const { publish, subscribe } = subjectRule(user, access[user]);
    return keysOf(user).map((nkey) => ({ name: user, nkey, publish, subscribe }));
  });
}
