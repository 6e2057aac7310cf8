/** The balancer's figures for Prometheus, read from its counters when somebody asks. */
import { Counter, Gauge, type Metric, type Registry } from "prom-client";
import type { Balancer } from "../balancer.ts";
import { repeatReasons } from "./counters.ts";

const answerClasses = [1, 2, 3, 4, 5];

export function registerMetrics(balancer: Balancer, registry: Registry): void {
  const { counters, traffic } = balancer;
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[], collect: (this: Counter) => void) =>
    new Counter({ name: `understudy_balancer_${name}`, help, labelNames, registers, collect });
  const gauge = (name: string, help: string, labelNames: string[], collect: (this: Gauge) => void) =>
    new Gauge({ name: `understudy_balancer_${name}`, help, labelNames, registers, collect });
  const plainCounter = (name: string, help: string, read: () => number) =>
    counter(name, help, [], function collect() {
      this.reset();
      this.inc(read());
    });
  const plainGauge = (name: string, help: string, read: () => number) =>
    gauge(name, help, [], function collect() {
      this.set(read());
    });
  registry.registerMetric(counters.seconds as unknown as Metric);
  counter("answers_total", "Answers to users by status class.", ["class"], function collect() {
    this.reset();
    for (const group of answerClasses) this.inc({ class: `${group}xx` }, counters.answers[group] ?? 0);
  });
  counter("repeats_total", "Requests sent to a further app server, by reason.", ["reason"], function collect() {
    this.reset();
    for (const reason of repeatReasons) this.inc({ reason }, counters.repeats[reason]);
  });
  gauge("servers", "App servers of the routing table by state.", ["server", "state"], function collect() {
    this.reset();
    for (const upstream of balancer.upstreams.current) {
      const leftOut = traffic.nowMs < upstream.leftOutUntilMs;
      this.set({ server: upstream.id, state: leftOut ? "left-out" : upstream.state }, 1);
    }
  });
  gauge("server_requests", "Requests in work at each app server.", ["server"], function collect() {
    this.reset();
    for (const { id, inFlight } of [...balancer.upstreams.leaving, ...balancer.upstreams.current]) {
      this.inc({ server: id }, inFlight);
    }
  });
  plainCounter("attempts_total", "Requests sent to app servers, repeats included.", () => counters.attempts);
  plainCounter(
    "unanswered_total",
    "Requests whose user went away or whose answer broke off.",
    () => counters.unanswered,
  );
  plainCounter("held_total", "Requests that waited for an app server.", () => counters.held);
  plainCounter("hold_expired_total", "Requests that waited in vain.", () => counters.holdExpired);
  plainCounter("hold_refused_total", "Requests that found the hold full.", () => counters.holdRefused);
  plainGauge("held_requests", "Requests that wait now.", () => traffic.held.size);
  plainGauge("requests_in_work", "Requests without a whole answer yet.", () => counters.inWork);
  plainGauge("connections", "Connections of users.", () => balancer.front.connections);
  plainGauge("accepts_connections", "1: a front door should hand connections here.", () => (balancer.accepts ? 1 : 0));
  plainGauge("routing_silent_seconds", "Since the message server was heard; -1: never.", () =>
    balancer.routes.silentMs === undefined ? -1 : balancer.routes.silentMs / 1_000,
  );
}
