/**
 * The cluster configuration in KV: settings, edited by operators with compare-and-set, and roles, swapped at a
 * takeover (L7). What was acknowledged stands on a majority of the NATS nodes, whoever leads next.
 */
import {
  clusterSettings,
  clusterRoles,
  defaultClusterSettings,
  versionedSettings,
  type ClusterRoles,
  type LeaderTerm,
  type VersionedSettings,
} from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime";
import type { z } from "zod";
import type { GuardedValue, Stored } from "../kv/guarded-value.ts";

export interface SettingsChange {
  readonly expectedVersion: number;
  readonly changeId: string;
  readonly changedBy: string;
  readonly settings: unknown;
}

const rememberedChanges = 50;

/** @throws CallerError `invalid-request` naming every fault. */
export function parseSettings(settings: unknown): z.infer<typeof clusterSettings> {
  const result = clusterSettings.safeParse(settings);
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap((issue) => {
    const place = issue.path.join(".");
    if (issue.code !== "unrecognized_keys") return [`${place || "settings"}: ${issue.message}`];
    return issue.keys.map((key) => `${[...issue.path, key].join(".")}: no such setting`);
  });
  throw new CallerError("invalid-request", `The configuration was not changed: ${faults.join("; ")}`, { faults });
}

/** The roles once `leader` has taken over: the one before it becomes an alternate (L7). */
export function swappedRoles(
  current: ClusterRoles | undefined,
  { holder, term }: LeaderTerm,
  otherMessageServers: readonly string[] = [],
): ClusterRoles {
  const known = current === undefined ? [] : [current.messageServer, ...current.alternates];
  return {
    term,
    messageServer: holder.id,
    alternates: [...new Set([...known, ...otherMessageServers])].filter((id) => id !== holder.id),
    since: current !== undefined && current.messageServer === holder.id ? current.since : new Date().toISOString(),
  };
}

export class ConfigurationStore {
  #settings: Stored<VersionedSettings> | undefined;
  #roles: Stored<ClusterRoles> | undefined;

  constructor(
    private readonly storedSettings: GuardedValue<VersionedSettings>,
    private readonly storedRoles: GuardedValue<ClusterRoles>,
  ) {}

  /** Keeps both at hand, so that a new leader can answer before it has read anything (L7). */
  follow(signal: AbortSignal): void {
    this.storedSettings.follow((stored) => void (this.#settings = newer(this.#settings, stored)), signal);
    this.storedRoles.follow((stored) => void (this.#roles = newer(this.#roles, stored)), signal);
  }

  /** What was read or written last, without asking KV; undefined before the first time. For showing, not for deciding. */
  known(leader: LeaderTerm): { readonly settingsVersion: number; readonly roles: ClusterRoles } | undefined {
    if (this.#settings === undefined || this.#roles === undefined) return undefined;
    const { value } = this.#roles;
    return {
      settingsVersion: this.#settings.value.version,
      roles: value.term === leader.term ? value : swappedRoles(value, leader),
    };
  }

  /** @throws when KV is away. */
  async settings(): Promise<VersionedSettings> {
    const stored = await this.storedSettings.read();
    return (
      stored?.value ??
      versionedSettings.parse({
        version: 1,
        term: 0,
        changedAt: new Date(0).toISOString(),
        changedBy: "defaults",
        changeIds: [],
        settings: defaultClusterSettings(),
      })
    );
  }

  async roles(): Promise<ClusterRoles | undefined> {
    return (await this.storedRoles.read())?.value;
  }

  /**
   * Changes the settings when their version is still the expected one.
   * @throws CallerError `invalid-request` with all faults, `conflict` with the present version; StaleTermError.
   */
  async change(
    leader: LeaderTerm,
    change: SettingsChange,
  ): Promise<{ settings: VersionedSettings; isRepeated: boolean }> {
    const settings = parseSettings(change.settings);
    let isRepeated = false;
    const changed = await this.storedSettings.update(leader, (current) => {
      if (current?.changeIds.includes(change.changeId) === true) {
        // The same request again, because its answer was lost in a takeover.
        isRepeated = true;
        return current;
      }
      const version = current?.version ?? 1;
      if (version !== change.expectedVersion) {
        throw new CallerError(
          "conflict",
          `The configuration is at version ${version}${current === undefined ? "" : ` (changed by ${current.changedBy} at ${current.changedAt})`}, not ${change.expectedVersion}: read it again and repeat your change.`,
        );
      }
      return {
        version: version + 1,
        changedAt: new Date().toISOString(),
        changedBy: change.changedBy,
        changeIds: [change.changeId, ...(current?.changeIds ?? [])].slice(0, rememberedChanges),
        settings,
      };
    });
    this.#settings = newer(this.#settings, changed);
    return { settings: changed.value, isRepeated };
  }

  /** Writes the new leader's term over settings and roles; stores the defaults at the first start. */
  async takeOver(leader: LeaderTerm, otherMessageServers: readonly string[]): Promise<ClusterRoles> {
    const settings = await this.settings();
    this.#settings = newer(this.#settings, await this.storedSettings.update(leader, (current) => current ?? settings));
    const roles = await this.storedRoles.update(leader, (current) =>
      swappedRoles(current, leader, otherMessageServers),
    );
    this.#roles = newer(this.#roles, roles);
    return clusterRoles.parse(roles.value);
  }

  /** Adds an alternate that was not known before. @throws OperationalError before the first roles are written. */
  async addAlternate(leader: LeaderTerm, id: string): Promise<void> {
    const roles = await this.roles();
    if (roles === undefined) throw new OperationalError("unavailable", "The roles are not written yet.");
    if (roles.messageServer === id || roles.alternates.includes(id)) return;
    const changed = await this.storedRoles.update(leader, (current) => {
      const base = current ?? roles;
      return {
        ...base,
        alternates: [...new Set([...base.alternates, id])].filter((other) => other !== base.messageServer),
      };
    });
    this.#roles = newer(this.#roles, changed);
  }
}

const newer = <Value>(current: Stored<Value> | undefined, next: Stored<Value>): Stored<Value> =>
  current !== undefined && current.revision > next.revision ? current : next;
