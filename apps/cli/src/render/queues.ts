/** Queues, services and schedules as text. Pure. */
import type { QueueFiguresView, ScheduleView, ServiceView } from "@understudy/contracts";
import { toned, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { duration, moment } from "./units.ts";

export function renderQueues(queues: readonly QueueFiguresView[], style: Style): string {
  if (queues.length === 0) return "There are no queues.";
  const bad = (count: number): string => (count === 0 ? "0" : toned(style, "bad", String(count)));
  return renderTable(
    style,
    [
      { title: "QUEUE" },
      { title: "" },
      { title: "READY", align: "right" },
      { title: "OLDEST", align: "right" },
      { title: "LATER", align: "right" },
      { title: "RUNNING", align: "right" },
      { title: "FAILED", align: "right" },
      { title: "ABORTED", align: "right" },
      { title: "PARKED", align: "right" },
      { title: "RAN (MEDIAN)", align: "right" },
      { title: "RAN (95%)", align: "right" },
    ],
    queues.map((queue) => [
      queue.name,
      queue.isPaused ? toned(style, "busy", `paused${queue.pausedReason ? `: ${queue.pausedReason}` : ""}`) : "",
      String(queue.ready),
      queue.ready === 0 ? "" : duration(queue.oldestReadyMs),
      String(queue.delayed + queue.waiting),
      String(queue.running),
      bad(queue.failed),
      bad(queue.aborted),
      bad(queue.parked),
      queue.recent.completed === 0 ? "" : duration(queue.recent.medianMs),
      queue.recent.completed === 0 ? "" : duration(queue.recent.p95Ms),
    ]),
  );
}

export function renderServices(services: readonly ServiceView[], now: number, style: Style): string {
  if (services.length === 0) return "There are no services.";
  return renderTable(
    style,
    [
      { title: "SERVICE" },
      { title: "QUEUE" },
      { title: "RUNS ON" },
      { title: "TERM", align: "right" },
      { title: "SINCE" },
      { title: "NOTE" },
    ],
    services.map((service) => [
      service.name,
      service.queue,
      service.appServer ?? (service.isPaused ? "paused" : toned(style, "bad", "nobody")),
      String(service.term),
      service.since === undefined ? "" : moment(Date.parse(service.since), now),
      service.successor !== undefined ? `moves to ${service.placedOn ?? "another"}` : (service.reason ?? ""),
    ]),
  );
}

export function renderSchedules(schedules: readonly ScheduleView[], now: number, style: Style): string {
  if (schedules.length === 0) return "There are no schedules.";
  const at = (time: string | undefined) => (time === undefined ? "" : moment(Date.parse(time), now));
  return renderTable(
    style,
    [
      { title: "SCHEDULE" },
      { title: "JOB" },
      { title: "CRON" },
      { title: "TIME ZONE" },
      { title: "MISSED" },
      { title: "LAST" },
      { title: "NEXT" },
    ],
    schedules.map((schedule) => [
      schedule.name,
      `${schedule.queue} ${schedule.type}`,
      schedule.cron,
      schedule.timeZone,
      schedule.missed,
      at(schedule.lastDue),
      schedule.isPaused ? toned(style, "busy", "paused") : at(schedule.nextDue),
    ]),
  );
}
