import { Module, type DynamicModule } from "@nestjs/common";
import { HeartbeatModule } from "@understudy/heartbeat";
import { SettingsWatch, type ServiceContext } from "@understudy/runtime";
import { Balancer, type BalancerOptions } from "./balancer.ts";
import { noAddresses, type LoadBalancerConfiguration } from "./load-balancer.config.ts";
import { EdgeCertificate } from "./http/edge-certificate.ts";
import { LoadBalancerService } from "./load-balancer.service.ts";
import { KnownRoutes } from "./routing/known-routes.ts";
import { RoutingWatch } from "./routing/routing-watch.ts";

const limitsOf = (configuration: LoadBalancerConfiguration): BalancerOptions["limits"] => ({
  maxHeaderBytes: configuration.UNDERSTUDY_MAX_HEADER_BYTES,
  maxHeaderFields: 100,
  maxConnections: configuration.UNDERSTUDY_MAX_CONNECTIONS,
  maxPipelined: 64,
  headersTimeoutMs: Math.min(configuration.UNDERSTUDY_HEADERS_TIMEOUT_MS, configuration.UNDERSTUDY_REQUEST_TIMEOUT_MS),
  requestTimeoutMs: configuration.UNDERSTUDY_REQUEST_TIMEOUT_MS,
  keepAliveMs: configuration.UNDERSTUDY_KEEP_ALIVE_MS,
  bodyBytes: configuration.UNDERSTUDY_MAX_BODY_BYTES,
  keptBodyBytes: 65_536,
  keptAnswerBytes: 16_384,
  attemptMs: configuration.UNDERSTUDY_ATTEMPT_MS,
  graceMs: 1_000,
  serverConnections: configuration.UNDERSTUDY_SERVER_CONNECTIONS,
  connectTimeoutMs: configuration.UNDERSTUDY_CONNECT_TIMEOUT_MS,
});

/** The composition root: the one place that chooses implementations. */
@Module({})
export class LoadBalancerModule {
  static for(context: ServiceContext<LoadBalancerConfiguration>): DynamicModule {
    const { configuration, identity, log, nats } = context;
    const settings = new SettingsWatch(nats, log);
    const routes = new KnownRoutes();
    const balancer = new Balancer(
      {
        machine: identity.machine,
        addresses: configuration.UNDERSTUDY_APP_SERVER_ADDRESSES ?? noAddresses,
        limits: limitsOf(configuration),
        settings: () => settings.current.loadBalancers,
        certificate: EdgeCertificate.of(
          configuration.UNDERSTUDY_TLS_CERTIFICATE_FILE,
          configuration.UNDERSTUDY_TLS_KEY_FILE,
          log,
        ),
      },
      routes,
      log,
    );
    return {
      module: LoadBalancerModule,
      imports: [HeartbeatModule.forService({ load: () => balancer.counters.inWork, settings })],
      providers: [
        { provide: Balancer, useValue: balancer },
        { provide: SettingsWatch, useValue: settings },
        { provide: RoutingWatch, useValue: new RoutingWatch(nats, routes, log) },
        LoadBalancerService,
      ],
    };
  }
}
