/** Jobs as text. Pure. */
import type { JobView } from "@understudy/contracts";
import { toned, type Style, type Tone } from "./style.ts";
import { renderTable } from "./table.ts";
import { duration, moment } from "./units.ts";

const tones: Readonly<Partial<Record<JobView["state"], Tone>>> = {
  running: "good",
  failed: "bad",
  aborted: "bad",
  parked: "bad",
};

const stateWord = ({ state }: JobView, style: Style): string => {
  const tone = tones[state];
  return tone === undefined ? state : toned(style, tone, state);
};

const ranFor = ({ startedAt, endedAt, state }: JobView, now: number): string => {
  if (startedAt === undefined) return "";
  const end = endedAt === undefined ? (state === "running" ? now : undefined) : Date.parse(endedAt);
  return end === undefined ? "" : duration(Math.max(0, end - Date.parse(startedAt)));
};

export function renderJobs(jobs: readonly JobView[], now: number, style: Style): string {
  if (jobs.length === 0) return "No such job.";
  return renderTable(
    style,
    [
      { title: "ID" },
      { title: "QUEUE" },
      { title: "TYPE" },
      { title: "STATE" },
      { title: "RUNS", align: "right" },
      { title: "APP SERVER" },
      { title: "ENQUEUED" },
      { title: "RAN", align: "right" },
      { title: "NOTE" },
    ],
    jobs.map((job) => [
      job.id,
      job.queue,
      job.type,
      stateWord(job, style),
      String(job.attempts),
      job.appServer ?? "",
      moment(Date.parse(job.enqueuedAt), now),
      ranFor(job, now),
      job.reason ?? (job.progress === undefined ? "" : JSON.stringify(job.progress)),
    ]),
  );
}

export function renderJob(job: JobView, now: number, style: Style): string {
  const { bold, dim } = style.colours;
  const lines: [string, string | undefined][] = [
    ["queue", job.queue],
    ["runs", String(job.attempts)],
    ["app server", job.appServer === undefined ? undefined : `${job.appServer} (${job.incarnation ?? "?"})`],
    ["restartable", job.restartable === undefined ? undefined : job.restartable ? "yes" : "no"],
    ["reason", job.reason],
    ["progress", job.progress === undefined ? undefined : JSON.stringify(job.progress)],
    ["result", job.result === undefined ? undefined : JSON.stringify(job.result)],
    ["payload", job.payload === undefined ? undefined : JSON.stringify(job.payload)],
    ["enqueued", moment(Date.parse(job.enqueuedAt), now)],
    ["started", job.startedAt === undefined ? undefined : moment(Date.parse(job.startedAt), now)],
    ["ended", job.endedAt === undefined ? undefined : moment(Date.parse(job.endedAt), now)],
    ["ran", ranFor(job, now) || undefined],
  ];
  return [
    `${bold(job.type)} ${job.id} is ${stateWord(job, style)}`,
    ...lines.filter(([, value]) => value !== undefined).map(([name, value]) => `  ${dim(name.padEnd(12))}${value}`),
  ].join("\n");
}
