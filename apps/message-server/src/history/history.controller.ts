import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import { readHistory, type HistoryEntry } from "@understudy/contracts";
import { HandlesRequest, parseRequest } from "@understudy/runtime";
import { HistoryLog } from "./history-log.ts";

@Controller()
export class HistoryController {
  constructor(@Inject(HistoryLog) private readonly history: HistoryLog) {}

  @HandlesRequest(readHistory)
  async read(@Payload() payload: unknown): Promise<{ entries: HistoryEntry[] }> {
    const { limit } = parseRequest(readHistory, payload);
    return { entries: await this.history.read(limit) };
  }
}
