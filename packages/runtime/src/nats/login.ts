/** With what a process introduces itself to NATS, and whom it believes to be NATS; for every connection alike. */
import {
  AuthorizationError,
  nkeyAuthenticator,
  type ConnectionOptions,
  type NatsConnection,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";

export interface NatsLogin {
  /** The seed of an nkey user: what it may say and hear stands in the nodes' configuration. */
  readonly seed?: string | undefined;
  /** Where answers to this user go; nobody else may hear there. */
  readonly inboxPrefix?: string | undefined;
  /** Where there are no nkey users. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** PEM of the authorities whose nodes are believed. With it nothing is ever said without TLS. */
  readonly authority?: string | undefined;
}

export function loginOptions(login: NatsLogin): ConnectionOptions {
  const { seed, inboxPrefix, user, password, authority } = login;
  return {
    ...(seed !== undefined && { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) }),
    ...(seed === undefined &&
      user !== undefined && { authenticator: usernamePasswordAuthenticator(user, password ?? "") }),
    ...(seed !== undefined && inboxPrefix !== undefined && { inboxPrefix }),
    ...(authority !== undefined && { tls: { ca: authority } }),
    // Keys are replaced while we run: a refusal may pass.
    ignoreAuthErrorAbort: true,
  };
}

/** A refusal that no repetition mends, in words; undefined when the node is only away. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof AuthorizationError) {
    return "NATS does not know this user. Is the seed or password that of this cluster, and has every node been given its newest users?";
  }
  const { message = "", code = "", cause } = (error ?? {}) as { message?: string; code?: string; cause?: Error };
  const text = [message, code, cause?.message].filter(Boolean).join(" ");
  if (
    /certificate|self.signed|unable to verify|altnames|wrong version number|ssl|tlsv1|UNABLE_TO_VERIFY|'tls'/i.test(
      text,
    )
  ) {
    return `NATS and this process do not agree on TLS (${text}). Is UNDERSTUDY_NATS_CA_FILE the authority of this cluster, and the node's certificate made for its address?`;
  }
  return undefined;
}

/** Why a connection that stands is none to work with; undefined when all is well. */
export async function misfitOf(connection: NatsConnection, login: NatsLogin): Promise<string | undefined> {
  if (login.seed === undefined || login.inboxPrefix === undefined) return undefined;
  let isRefused = false;
  const subscription = connection.subscribe(`${login.inboxPrefix}.own`, {
    callback: (error) => {
      if (error !== null) isRefused = true;
    },
  });
  await connection.flush();
  subscription.unsubscribe();
  return isRefused
    ? `These NATS credentials are another service's: they may not hear ${login.inboxPrefix}. Give this one its own seed (UNDERSTUDY_NATS_SEED_FILE).`
    : undefined;
}
