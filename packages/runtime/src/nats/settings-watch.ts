/**
 * Follows the cluster's settings (`contracts/cluster-configuration.ts`) as the message server stores them.
 *
 * States: not started (defaults), waiting (no bucket, no JetStream or no NATS: what was known last holds), following.
 * It goes from waiting to following by itself, without end, and back on any fault.
 *
 * - S1. `current` is always a complete, valid setting: a value that the schema refuses is logged and passed over.
 * - S2. Never back to an older version: reads of a replica that lags decide nothing.
 * - S3. A watch can die without a sign (its consumer lived on a NATS node that was lost), so the entry is also read
 *   every `rereadMs`; a read that fails or finds something new ends the watch and a fresh one begins.
 */
import { jetstream } from "@nats-io/jetstream";
import { Kvm, type KV, type KvEntry } from "@nats-io/kv";
import {
  configurationBucket,
  defaultClusterSettings,
  settingsKey,
  versionedSettings,
  type ClusterSettings,
  type VersionedSettings,
} from "@understudy/contracts";
import type { Log } from "../log.ts";
import { Backoff, pause } from "../wait.ts";
import type { NatsConnections } from "./connections.ts";

const rereadMs = 10_000;
const answerMs = 2_000;

export class SettingsWatch {
  #current: ClusterSettings = defaultClusterSettings();
  #version = 0;
  #stopWatch: () => void = () => undefined;
  readonly #abort = new AbortController();
  readonly #listeners: ((settings: ClusterSettings) => void)[] = [];

  constructor(
    private readonly nats: NatsConnections,
    private readonly log: Log,
  ) {}

  /** Defaults until the stored settings are known. */
  get current(): ClusterSettings {
    return this.#current;
  }

  /** The version of `current`; 0 while these are the defaults. */
  get version(): number {
    return this.#version;
  }

  /** Called after each change of `current`, not for the defaults. */
  onChange(listener: (settings: ClusterSettings) => void): void {
    this.#listeners.push(listener);
  }

  /** Returns at once. */
  start(): void {
    void this.#run(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
    this.#stopWatch();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(200, 5_000);
    while (!signal.aborted) {
      try {
        const bucket = await new Kvm(jetstream(this.nats.main, { timeout: answerMs })).open(configurationBucket);
        await this.#read(bucket);
        backoff.reset();
        await this.#follow(bucket, signal);
      } catch (error) {
        // Normal before the first message server made the bucket, and while JetStream elects.
        this.log.debug({ reason: (error as Error).message }, "waiting for the cluster settings");
      }
      await pause(backoff.nextMs(), signal);
    }
  }

  async #follow(bucket: KV, signal: AbortSignal): Promise<void> {
    const watch = await bucket.watch({ key: settingsKey });
    this.#stopWatch = () => watch.stop();
    if (signal.aborted) return watch.stop();
    const ended = new AbortController();
    void this.#reread(bucket, ended.signal);
    try {
      for await (const entry of watch) this.#accept(entry);
    } finally {
      ended.abort();
    }
  }

  /** S3 */
  async #reread(bucket: KV, signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(rereadMs, signal);
      if (signal.aborted) return;
      const fresh = await this.#read(bucket).catch(() => true);
      if (fresh) return this.#stopWatch();
    }
  }

  /** True when it brought a newer version. */
  async #read(bucket: KV): Promise<boolean> {
    const entry = await bucket.get(settingsKey);
    return entry !== null && this.#accept(entry);
  }

  #accept(entry: KvEntry): boolean {
    if (entry.operation !== "PUT" || this.#abort.signal.aborted) return false;
    let stored;
    try {
      stored = versionedSettings.parse(entry.json());
    } catch (error) {
      // S1
      this.log.warn({ revision: entry.revision, reason: (error as Error).message }, "unusable settings passed over");
      return false;
    }
    return this.offer(stored);
  }

  /** Settings that came another way, as in the reply to a registration; true when they are newer. */
  offer(stored: VersionedSettings): boolean {
    if (stored.version <= this.#version) return false; // S2
    this.#version = stored.version;
    this.#current = stored.settings;
    for (const listener of this.#listeners) listener(stored.settings);
    return true;
  }
}
