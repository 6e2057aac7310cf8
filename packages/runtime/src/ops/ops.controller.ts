import { Controller, Get, Header, HttpCode, HttpException, Inject } from "@nestjs/common";
import { register } from "prom-client";
import { Identity } from "../identity.ts";
import { Readiness } from "./readiness.ts";

/** What probes and Prometheus ask. Served on the ops port, never on the port that users reach. */
@Controller()
export class OpsController {
  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Identity) private readonly identity: Identity,
  ) {}

  /** The event loop turns. Nothing else: a restart does not mend a dependency. */
  @Get("livez")
  @HttpCode(200)
  live(): object {
    return { status: "alive", ...this.identity.full };
  }

  @Get("readyz")
  ready(): object {
    const conditions = this.readiness.report();
    if (!this.readiness.ready) throw new HttpException({ status: "not ready", conditions }, 503);
    return { status: "ready", conditions };
  }

  @Get("metrics")
  @Header("content-type", register.contentType)
  metrics(): Promise<string> {
    return register.metrics();
  }
}
