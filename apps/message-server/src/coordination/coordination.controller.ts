import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import { switchover, type LeaderTerm } from "@understudy/contracts";
import { HandlesRequest, parseRequest } from "@understudy/runtime";
import { Coordinator } from "./coordinator.ts";

@Controller()
export class CoordinationController {
  constructor(@Inject(Coordinator) private readonly coordinator: Coordinator) {}

  @HandlesRequest(switchover)
  switchOver(@Payload() payload: unknown): Promise<{ from: LeaderTerm; to: LeaderTerm }> {
    return this.coordinator.switchOver(parseRequest(switchover, payload).to);
  }
}
