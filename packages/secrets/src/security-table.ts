/** The table of docs/security.md: who may say, ask, answer and hear what, and who may do what with which stream. */
import { natsAccess, natsUsers, type NatsAccess, type NatsUser } from "@understudy/contracts";

const example = "<database>";

type Right = "asks" | "answers" | "tells" | "hears";
const words: Readonly<Record<Right, string>> = { asks: "asks", answers: "answers", tells: "tells", hears: "hears" };

function rows(access: Readonly<Record<NatsUser, NatsAccess>>): string[][] {
  const bySubject = new Map<string, Partial<Record<NatsUser, string[]>>>();
  const note = (what: string, user: NatsUser, right: string) => {
    const row = bySubject.get(what) ?? {};
    (row[user] ??= []).push(right);
    bySubject.set(what, row);
  };
  for (const user of natsUsers) {
    const one = access[user];
    for (const right of Object.keys(words) as Right[])
      for (const { subject } of one[right]) note(subject, user, words[right]);
    for (const { stream, may } of one.streams) for (const right of may) note(`stream ${stream}`, user, right);
    if (one.seesAllStreams === true) note("every stream", user, "read");
  }
  const isStream = (what: string) => Number(what.includes("stream"));
  return [...bySubject]
    .sort(([one], [other]) => isStream(one) - isStream(other) || one.localeCompare(other))
    .map(([what, row]) => [`\`${what}\``].concat(natsUsers.map((user) => (row[user] ?? []).join(", "))));
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export function securityTable(): string {
  const head = ["", ...natsUsers];
  return [line(head), line(head.map(() => "---")), ...rows(natsAccess([example])).map(line)].join("\n");
}
