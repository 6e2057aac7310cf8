/** What a supervisor and single processes tell, on the computer of a local cluster. Pure. */
import { counted, withoutPassword } from "../render/units.ts";
import type { Answer, LocalFacts } from "./facts.ts";
import { check, finding, type Check, type Finding } from "./finding.ts";
import { knownCauses } from "./known-causes.ts";

export function supervisor({ run, supervisorAlive, controlAnswers }: LocalFacts): Check {
  const { pid } = run.supervisor;
  const findings: Finding[] = [];
  if (!supervisorAlive) {
    findings.push(
      finding(
        "supervisor",
        `process ${pid} is gone, and run.json with it is out of date`,
        "start the cluster: npm start",
      ),
    );
  } else if (!controlAnswers) {
    findings.push(
      finding("supervisor", `process ${pid} runs, but its control socket does not answer`, "stop it and run npm start"),
    );
  }
  return check("supervisor", `process ${pid}, control socket`, findings);
}

export function machines({ run }: LocalFacts): Check {
  const cut = run.machines.filter((machine) => machine.cut);
  return check(
    "machines",
    run.machines.map(({ id }) => id).join(", "),
    cut.map(({ id }) => finding(id, "is cut off from the other machines", `understudy heal ${id}`)),
  );
}

export function processes(local: LocalFacts): Check {
  const { run, processes: looks } = local;
  const known = knownCauses(local);
  const wholeMachines = run.machines.flatMap(({ id }) => judgeMachine(id, run.processes));
  const told = new Set(wholeMachines.map(({ subject }) => subject));
  const single = run.processes.flatMap((process): Finding[] => {
    const { id, state } = process;
    if (state !== "running") return told.has(process.machine) ? [] : judgeState(process);
    const seen = looks.find((one) => one.id === id);
    return seen && !known.has(id) ? judgeLook(id, seen.live, seen.ready) : [];
  });
  return check("processes", counted(run.processes.length, "process", "processes"), [...wholeMachines, ...single]);
}

type Process = LocalFacts["run"]["processes"][number];

/** A machine that is down or frozen as a whole is one finding. */
function judgeMachine(id: string, all: readonly Process[]): Finding[] {
  const own = all.filter(({ machine }) => machine === id);
  const whole = (state: Process["state"]) => own.length > 1 && own.every((process) => process.state === state);
  if (whole("stopped"))
    return [finding(id, `is down and stays down (${own.length} processes)`, `understudy start ${id}`)];
  if (whole("frozen")) return [finding(id, `is frozen (${own.length} processes)`, `understudy thaw ${id}`)];
  return [];
}

function judgeState({ id, state, restarts }: Process): Finding[] {
  switch (state) {
    case "frozen":
      return [finding(id, "is frozen", `understudy thaw ${id}`)];
    case "stopped":
      return [finding(id, "is down and stays down", `understudy start ${id}`)];
    case "waiting":
      return [
        finding(
          id,
          `ended (${counted(restarts, "restart", "restarts")} so far) and waits to be started again`,
          `if it does not stay up: understudy logs ${id}`,
        ),
      ];
    case "starting":
      return [finding(id, "is still starting", `wait a moment; if it stays so: understudy logs ${id}`)];
    case "running":
      return [];
  }
}

function judgeLook(id: string, live: Answer, ready: Answer): Finding[] {
  if (live.kind === "failed") {
    return [
      finding(
        id,
        `does not answer /livez (${live.reason})`,
        `understudy logs ${id}; if it hangs: understudy kill ${id}`,
      ),
    ];
  }
  if (live.status !== 200) return [finding(id, `answers ${live.status} on /livez`, `understudy logs ${id}`)];
  if (ready.kind === "failed")
    return [finding(id, `does not answer /readyz (${ready.reason})`, `understudy logs ${id}`)];
  if (ready.status === 200) return [];
  return [
    finding(
      id,
      `is not ready: ${unmetConditions(ready.body) || `/readyz answers ${ready.status}`}`,
      `understudy logs ${id}`,
    ),
  ];
}

/** The conditions of `/readyz` that do not hold, as the runtime reports them. */
export function unmetConditions(body: unknown): string {
  if (typeof body !== "object" || body === null || !("conditions" in body)) return "";
  const { conditions } = body;
  if (typeof conditions !== "object" || conditions === null) return "";
  return Object.entries(conditions as Readonly<Record<string, { ready?: unknown; reason?: unknown }>>)
    .filter(([, condition]) => condition.ready !== true)
    .map(([name, { reason }]) => (typeof reason === "string" && reason !== "" ? `${name} (${reason})` : name))
    .join(", ");
}

export function natsNodes(local: LocalFacts): Check {
  const { nats } = local;
  const known = knownCauses(local);
  const findings = nats.flatMap(({ id, health, neighbours }): Finding[] => {
    if (known.has(id)) return [];
    if (health.kind === "failed") {
      return [
        finding(id, `does not answer (${health.reason})`, `understudy logs ${id}; if it hangs: understudy kill ${id}`),
      ];
    }
    if (health.status !== 200) {
      return [finding(id, `is not healthy: ${JSON.stringify(health.body)}`, `understudy logs ${id}`)];
    }
    const missing = nats.filter(
      (other) => other.id !== id && !known.has(other.id) && neighbours?.includes(other.id) === false,
    );
    return missing.length === 0
      ? []
      : [
          finding(
            id,
            `is not connected to ${missing.map((other) => other.id).join(", ")}`,
            "heal the network between them; understudy topology shows cuts",
          ),
        ];
  });
  return check("NATS nodes", nats.map(({ id }) => id).join(", "), findings);
}

export function databases(local: LocalFacts): Check {
  const { databases: found } = local;
  const known = knownCauses(local);
  return check(
    "databases",
    found.map(({ id }) => id).join(", ") || "none",
    found.flatMap(({ id, url, failure }) =>
      failure === undefined || known.has(id)
        ? []
        : [
            finding(
              id,
              `cannot be reached at ${withoutPassword(url)} (${failure})`,
              `understudy start ${id}, or understudy logs ${id}`,
            ),
          ],
    ),
  );
}

/** The way of a user: front door, load balancer, app server, application. */
export function door({ run, door: answer }: LocalFacts): Check {
  const { loadBalancer, openapi } = run.urls;
  const findings: Finding[] = [];
  if (answer.kind === "failed") {
    findings.push(
      finding(openapi, `does not answer (${answer.reason})`, "a load balancer and an app server must run and be ready"),
    );
  } else if (answer.status !== 200) {
    findings.push(
      finding(openapi, `answers ${answer.status}`, "understudy logs of the load balancers and app servers"),
    );
  }
  return check("users", loadBalancer, findings);
}
