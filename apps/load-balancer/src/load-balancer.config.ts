import { integerVariable, portVariable, serviceVariables } from "@understudy/runtime";
import { z } from "zod";
import { appServerAddresses, type AppServerAddresses } from "./routing/app-server-addresses.ts";

/** The load balancer's own variables, beside those that every service knows. */
export const loadBalancerVariables = {
  /** Where users (or whatever stands before it) connect. 0: any free port. */
  UNDERSTUDY_HTTP_HOST: z.string().default("127.0.0.1"),
  UNDERSTUDY_HTTP_PORT: portVariable().default(0),
  /** PEM, both or neither: with them users are served over TLS alone. Read again when they change. */
  UNDERSTUDY_TLS_CERTIFICATE_FILE: z.string().min(1).optional(),
  UNDERSTUDY_TLS_KEY_FILE: z.string().min(1).optional(),
  /** JSON, app server id to URL: used instead of the announced addresses. */
  UNDERSTUDY_APP_SERVER_ADDRESSES: appServerAddresses().optional(),
  UNDERSTUDY_MAX_CONNECTIONS: integerVariable(1, 1_000_000).default(10_000),
  UNDERSTUDY_MAX_HEADER_BYTES: integerVariable(1_024, 1_048_576).default(16_384),
  UNDERSTUDY_MAX_BODY_BYTES: integerVariable(1_024, 1_073_741_824).default(1_048_576),
  /** Until the head of a request has come, and until the whole request has. */
  UNDERSTUDY_HEADERS_TIMEOUT_MS: integerVariable(100, 600_000).default(10_000),
  UNDERSTUDY_REQUEST_TIMEOUT_MS: integerVariable(100, 3_600_000).default(60_000),
  /** How long a user's connection may be idle. */
  UNDERSTUDY_KEEP_ALIVE_MS: integerVariable(1_000, 3_600_000).default(65_000),
  /** Connections to one app server. */
  UNDERSTUDY_SERVER_CONNECTIONS: integerVariable(1, 10_000).default(256),
  UNDERSTUDY_CONNECT_TIMEOUT_MS: integerVariable(50, 60_000).default(400),
  /** A server that says nothing for so long: what may be repeated is sent to another one too. */
  UNDERSTUDY_ATTEMPT_MS: integerVariable(100, 600_000).default(1_500),
} as const;

export type LoadBalancerConfiguration = Readonly<
  z.infer<z.ZodObject<typeof serviceVariables & typeof loadBalancerVariables>>
>;

export const noAddresses: AppServerAddresses = new Map();
