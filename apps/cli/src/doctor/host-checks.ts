/** Room, clocks and versions of the machines. Pure. */
import { protocolVersion } from "@understudy/contracts";
import { counted, duration, percent, size } from "../render/units.ts";
import type { DoctorFacts } from "./facts.ts";
import { check, finding, type Check, type Finding } from "./finding.ts";

/** Below these, hours rather than days are left. */
const leastDiskFraction = 0.1;
const leastDiskBytes = 1_000_000_000;
const leastMemoryFraction = 0.05;
/** Times of several machines stand side by side in the history; leases do not depend on clocks (L3). */
const mostClockOffsetMs = 1_000;

export function room({ local, hosts }: DoctorFacts): Check {
  const findings: Finding[] = [];
  const disks = local?.disk
    ? [{ name: local.stateFolder, ...local.disk }]
    : hosts.map(({ machine, figures }) => ({
        name: machine,
        totalBytes: figures.diskTotalBytes,
        availableBytes: figures.diskAvailableBytes,
      }));
  for (const { name, totalBytes, availableBytes } of disks) {
    if (totalBytes > 0 && (availableBytes / totalBytes < leastDiskFraction || availableBytes < leastDiskBytes)) {
      findings.push(
        finding(
          name,
          `${size(availableBytes)} of disk left (${percent(availableBytes / totalBytes)})`,
          "make room, or give it a larger disk",
        ),
      );
    }
  }
  // The machines of a local cluster are one computer: one of them tells for all.
  for (const { machine, figures } of local ? hosts.slice(0, 1) : hosts) {
    const fraction = figures.memoryAvailableBytes / figures.memoryTotalBytes;
    if (fraction < leastMemoryFraction) {
      findings.push(
        finding(
          machine,
          `${size(figures.memoryAvailableBytes)} of memory left (${percent(fraction)})`,
          "stop something, or give it more memory",
        ),
      );
    }
  }
  const least = disks.map(({ availableBytes }) => availableBytes).sort((one, other) => one - other)[0];
  return check("room", least === undefined ? "disk, memory" : `${size(least)} of disk free`, findings);
}

export function clocks({ hosts }: DoctorFacts): Check {
  return check(
    "clocks",
    counted(hosts.length, "machine", "machines"),
    hosts
      .filter(({ clockOffsetMs }) => Math.abs(clockOffsetMs) > mostClockOffsetMs)
      .map(({ machine, clockOffsetMs }) =>
        finding(
          machine,
          `its clock is ${duration(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? "ahead of" : "behind"} this computer's`,
          "set it by NTP: times in the history cannot be compared otherwise",
        ),
      ),
  );
}

export function versions({ status, local, node }: DoctorFacts): Check {
  const findings: Finding[] = [];
  for (const { instance, protocol } of status?.appServers ?? []) {
    if (protocol !== protocolVersion) {
      findings.push(
        finding(
          instance.id,
          `speaks protocol ${protocol}, this version ${protocolVersion}`,
          "bring all parts to the same version",
        ),
      );
    }
  }
  const nats = new Set((local?.nats ?? []).flatMap(({ version }) => (version === undefined ? [] : [version])));
  if (nats.size > 1) {
    findings.push(
      finding("NATS nodes", `run different versions: ${[...nats].join(", ")}`, "bring all nodes to the same version"),
    );
  }
  return check(
    "versions",
    [`protocol ${protocolVersion}`, ...(nats.size > 0 ? [`NATS ${[...nats].join(", ")}`] : []), `Node.js ${node}`].join(
      ", ",
    ),
    findings,
  );
}
