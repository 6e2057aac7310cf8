/** The balancer in its surroundings: started and stopped with the service, told of by the supervisor and by probes. */
import { Inject, Injectable, type OnApplicationBootstrap } from "@nestjs/common";
import { CONFIGURATION, LOG, Readiness, SettingsWatch, Shutdown, tellSupervisor, type Log } from "@understudy/runtime";
import { register } from "prom-client";
import { Balancer } from "./balancer.ts";
import type { LoadBalancerConfiguration } from "./load-balancer.config.ts";
import { registerMetrics } from "./metrics/balancer-metrics.ts";
import { isHeard } from "./routing/acceptance.ts";
import { RoutingWatch } from "./routing/routing-watch.ts";
import { SupervisorLink } from "./supervision/supervisor-link.ts";

const readinessEveryMs = 500;
/** Kept back from the time that a stop may take. */
const stopReserveMs = 2_000;

@Injectable()
export class LoadBalancerService implements OnApplicationBootstrap {
  readonly #supervisor: SupervisorLink;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(Balancer) private readonly balancer: Balancer,
    @Inject(RoutingWatch) private readonly routing: RoutingWatch,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(CONFIGURATION) private readonly configuration: LoadBalancerConfiguration,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#supervisor = new SupervisorLink((socket) => balancer.front.takeConnection(socket));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { balancer, configuration, shutdown } = this;
    registerMetrics(balancer, register);
    this.settings.start();
    this.routing.start();
    const url = await balancer.start(configuration.UNDERSTUDY_HTTP_HOST, configuration.UNDERSTUDY_HTTP_PORT);
    this.log.info({ url }, "serving");
    this.#supervisor.start();
    tellSupervisor({ type: "serving", url });
    this.#supervisor.setAccepts(balancer.accepts);
    balancer.onAcceptance((accepts) => {
      this.log.info({ accepts }, accepts ? "accepts connections" : "rather not accepts connections");
      this.#supervisor.setAccepts(accepts);
      this.#reportReadiness();
    });
    this.#timer = setInterval(() => this.#reportReadiness(), readinessEveryMs).unref();
    this.#reportReadiness();
    shutdown.on("stop-intake", "balancer", () => balancer.beginDrain());
    shutdown.on("finish", "balancer", () =>
      balancer.close(Math.max(0, configuration.UNDERSTUDY_STOP_TIMEOUT_MS - stopReserveMs)),
    );
    shutdown.on("close-nats", "balancer", () => this.#stop());
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#supervisor.stop();
    this.routing.stop();
    this.settings.stop();
  }

  /** Ready while there is a server to go to; a stale table is shown, but better than none. */
  #reportReadiness(): void {
    const { routes, hasUsableServer } = this.balancer;
    const heard = routes.silentMs === undefined ? "never" : `${Math.round(routes.silentMs / 1_000)} s ago`;
    const stale = isHeard(routes.silentMs) ? "" : `by the last known table; the message server was heard ${heard}`;
    this.readiness.set("routing", hasUsableServer, hasUsableServer ? stale : `no app server to go to; ${stale}`);
  }
}
