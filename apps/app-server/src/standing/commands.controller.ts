import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import { declaredLost, follow, setIntake, type InstanceRef, type LeaderTerm } from "@understudy/contracts";
import { CallerError, HandlesRequest, Identity, LOG, parseRequest, SettingsWatch, type Log } from "@understudy/runtime";
import { FollowedLeader } from "./followed-leader.ts";
import { ServerStanding } from "./server-standing.ts";

interface Acceptance {
  readonly term: number;
  readonly acceptedAt: number;
}

/**
 * Commands of the active message server. The term is judged first (L2): it is news even where the addressed
 * incarnation is not ours. Nothing here waits: `follow` is on a takeover's critical path.
 */
@Controller()
export class CommandsController {
  constructor(
    @Inject(FollowedLeader) private readonly leader: FollowedLeader,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @HandlesRequest(follow)
  follow(@Payload() data: unknown): Acceptance {
    const request = parseRequest(follow, data);
    this.#obey(request);
    if (request.settings !== undefined) this.settings.offer(request.settings);
    this.standing.apply({ type: "followed" });
    return this.#accept();
  }

  @HandlesRequest(setIntake)
  setIntake(@Payload() data: unknown): Acceptance {
    const request = parseRequest(setIntake, data);
    this.#obey(request);
    const { current } = this.standing;
    if (current.kind === "draining" && current.by === "stop" && request.intake === "accepting")
      throw new CallerError("conflict", `${this.identity.id} is stopping and takes no more requests.`);
    this.standing.apply({ type: "intake", intake: request.intake });
    return this.#accept();
  }

  @HandlesRequest(declaredLost)
  declaredLost(@Payload() data: unknown): Acceptance {
    const request = parseRequest(declaredLost, data);
    this.#obey(request);
    this.standing.apply({ type: "lost", incarnation: request.instance.incarnation, reason: request.reason });
    return this.#accept();
  }

  /** @throws CallerError `stale-term` or `unknown-instance` */
  #obey(command: { readonly leader: LeaderTerm; readonly instance: InstanceRef }): void {
    if (this.leader.obey(command.leader) === "newer") {
      this.log.info({ term: command.leader.term, leader: command.leader.holder.id }, "follows a new leader");
      this.standing.apply({ type: "unconfirmed" });
    }
    const own = this.identity.ref;
    if (command.instance.id === own.id && command.instance.incarnation === own.incarnation) return;
    throw new CallerError(
      "unknown-instance",
      `Incarnation ${command.instance.incarnation} of ${command.instance.id} is not here; ${own.id} is ${own.incarnation}.`,
    );
  }

  #accept(): Acceptance {
    return { term: this.leader.known?.term ?? 0, acceptedAt: Date.now() };
  }
}
