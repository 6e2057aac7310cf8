/**
 * Machines with networks of their own on one computer (Linux, root): what is cut there falls silent as a real
 * machine does, packets vanish and nobody resets, which no proxy can imitate.
 *
 * It owns one namespace per machine and one more, the switch: a bridge that joins them. Nothing of it lies in the
 * computer's own network; addresses are 10.213.x.y and only reachable from inside. Run something in a machine with
 * `inside(index, spec)`; talk to it over its pipes.
 *
 * N1. A cut drops packets and tells nobody: machines know each other by fixed hardware addresses, and a cut replaces
 *     the address by one that nobody has. With neighbour discovery, the sender would learn in seconds that nobody
 *     answers and report "no route to host". So a cut can be one-way, and between two machines only.
 * N2. Everything is removed by `remove`, or by the reaper when this process is gone.
 */
import { execFileSync } from "node:child_process";
import type { SpawnSpec } from "@understudy/engines";
import { reaper } from "./registered.ts";

/** True when this process may make network namespaces. */
export function canUseNetworkNamespaces(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const name = `understudy-probe-${process.pid}`;
  try {
    ip("netns", "add", name);
    ip("netns", "delete", name);
    return true;
  } catch {
    return false;
  }
}

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const nobodysAddress = "02:75:73:00:ff:ff";
let lastNetwork = Math.floor(Math.random() * 250);

interface Machine {
  readonly namespace: string;
  readonly address: string;
  readonly hardwareAddress: string;
}

export class NetworkNamespaces {
  readonly #switch: string;
  readonly #machines: readonly Machine[];
  readonly #forget: (() => void)[] = [];

  private constructor(count: number) {
    const network = ++lastNetwork % 250;
    const id = `us-${process.pid}-${network}`;
    this.#switch = `${id}-switch`;
    this.#machines = Array.from({ length: count }, (_, index) => ({
      namespace: `${id}-${index}`,
      address: `10.213.${network}.${index + 1}`,
      hardwareAddress: `02:75:73:00:00:${(index + 1).toString(16).padStart(2, "0")}`,
    }));
  }

  /** Makes `count` machines, all of which reach each other. */
  static create(count: number): NetworkNamespaces {
    const namespaces = new NetworkNamespaces(count);
    try {
      namespaces.#build();
      return namespaces;
    } catch (error) {
      namespaces.remove();
      throw error;
    }
  }

  #build(): void {
    this.#add(this.#switch);
    ip("-n", this.#switch, "link", "add", "bridge0", "type", "bridge");
    ip("-n", this.#switch, "link", "set", "bridge0", "up");
    for (const [index, { namespace, address, hardwareAddress }] of this.#machines.entries()) {
      this.#add(namespace);
      const port = `port${index}`;
      ip("-n", this.#switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("-n", this.#switch, "link", "set", port, "master", "bridge0", "up");
      ip("-n", namespace, "link", "set", "eth0", "address", hardwareAddress);
      ip("-n", namespace, "link", "set", "lo", "up");
      ip("-n", namespace, "link", "set", "eth0", "up");
      ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
    }
    this.heal();
  }

  #add(namespace: string): void {
    ip("netns", "add", namespace);
    this.#forget.push(reaper.atEnd(["ip", "netns", "delete", namespace]));
  }

  #machine(index: number): Machine {
    const machine = this.#machines[index];
    if (machine === undefined) throw new RangeError(`There is no machine ${index}.`);
    return machine;
  }

  /** The address of a machine, for listeners inside it and whoever dials it from another one. */
  address(index: number): string {
    return this.#machine(index).address;
  }

  /** The same process, inside a machine. */
  inside(index: number, spec: SpawnSpec): SpawnSpec {
    const { uid, gid, ...rest } = spec;
    // Entering needs root; the process gets its own user after that.
    const become =
      uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${gid ?? uid}`, "--clear-groups", "--"];
    return {
      ...rest,
      command: "ip",
      args: ["netns", "exec", this.#machine(index).namespace, ...become, spec.command, ...spec.args],
      env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", ...spec.env },
    };
  }

  #setNeighbour(from: number, to: number, hardwareAddress: string): void {
    const neighbour = [this.#machine(to).address, "lladdr", hardwareAddress, "nud", "permanent", "dev", "eth0"];
    ip("-n", this.#machine(from).namespace, "neighbour", "replace", ...neighbour);
  }

  /** What `from` sends to `to` vanishes. */
  cutOneWay(from: number, to: number): void {
    this.#setNeighbour(from, to, nobodysAddress);
  }

  /** Nothing passes between the two. */
  cut(one: number, other: number): void {
    this.cutOneWay(one, other);
    this.cutOneWay(other, one);
  }

  /** The machine falls silent: nothing passes to or from it. */
  isolate(index: number): void {
    for (const other of this.#machines.keys()) if (other !== index) this.cut(index, other);
  }

  /** Ends every cut. */
  heal(): void {
    for (const from of this.#machines.keys())
      for (const [to, { hardwareAddress }] of this.#machines.entries())
        if (from !== to) this.#setNeighbour(from, to, hardwareAddress);
  }

  /** Removes all; processes that still run inside keep their namespace until they end. */
  remove(): void {
    for (const { namespace } of [...this.#machines, { namespace: this.#switch }]) {
      try {
        ip("netns", "delete", namespace);
      } catch {
        // Not made, because the making failed.
      }
    }
    for (const forget of this.#forget) forget();
  }
}
