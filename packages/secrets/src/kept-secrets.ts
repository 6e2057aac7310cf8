/**
 * The originals of all secrets of a cluster, below `kept/`: made where they are missing, checked, replaced by kind.
 *
 * - S1. A file that the manifest names is never made anew unasked: it is missing or damaged, and that is said.
 * - S2. A file appears whole or not at all, before the manifest names it; a run that is killed is finished by the next.
 * - S3. Rotating a kind reads nothing of that kind, so it mends what is missing or damaged.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createUser, fromSeed } from "@nats-io/nkeys";
import {
  certificateFault,
  coversHosts,
  expiryOf,
  makeAuthority,
  makeCertificate,
  makeKey,
  makeSelfSigned,
  type Names,
} from "./certificates.ts";
import { emptyManifest, fingerprintOf, readManifest, record, writeManifest, type Manifest } from "./manifest.ts";
import { keepSecret, readSecret, replaceSecret } from "./secret-file.ts";
import { SecretsError } from "./secrets-error.ts";
import {
  databaseRoles,
  keyUsers,
  secretKinds,
  type DatabaseRole,
  type KeyUser,
  type Member,
  type SecretKind,
  type SecretsPlan,
} from "./secrets-plan.ts";

const files = {
  authorityKey: "kept/authority.key",
  authority: "kept/authority.crt",
  /** Believed beside the new one until the rotation is finished. */
  previousAuthority: "kept/authority-previous.crt",
  seed: (user: KeyUser) => `kept/nats/${user}.seed`,
  route: "kept/nats/route.password",
  password: (role: DatabaseRole) => `kept/postgres/${role}.password`,
  /** What the instances know until their keepers have given them the new one. */
  formerSuperuser: "kept/postgres/superuser-former.password",
  key: (folder: "nats" | "postgres", member: string) => `kept/${folder}/${member}.key`,
  certificate: (folder: "nats" | "postgres", member: string) => `kept/${folder}/${member}.crt`,
  edgeKey: "kept/edge.key",
  edge: "kept/edge.crt",
} as const;

const overlapping: ReadonlySet<string> = new Set([files.previousAuthority, files.formerSuperuser]);

export interface GivenCertificate {
  readonly certificate: string;
  readonly key: string;
}

const onThisHost = ["localhost", "127.0.0.1"];
const namesOf = ({ name, host }: Member): Names => ({
  subject: name,
  hosts: [...new Set([name, host, ...onThisHost])],
});

const makePassword = (): string => `${randomBytes(24).toString("hex")}\n`;
const makeSeed = (): string => `${new TextDecoder().decode(createUser().getSeed())}\n`;

/** Public key of a seed. @throws when it is none. */
export const publicKeyOf = (seed: string): string => fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey();

export class KeptSecrets {
  private constructor(
    readonly folder: string,
    readonly manifest: Manifest,
  ) {}

  /** What is there. @throws SecretsError when nothing is, or the manifest cannot be read. */
  static open(folder: string): KeptSecrets {
    const manifest = readManifest(folder);
    if (manifest === undefined) {
      throw new SecretsError([`${folder} holds no secrets yet: npx understudy secrets setup --folder ${folder}`]);
    }
    return new KeptSecrets(folder, manifest);
  }

  /** Makes what the plan needs and is not there. @throws SecretsError naming all that is missing or damaged (S1). */
  static async setUp(folder: string, plan: SecretsPlan, edge?: GivenCertificate): Promise<KeptSecrets> {
    const manifest = { ...(readManifest(folder) ?? emptyManifest(plan)), plan };
    const kept = new KeptSecrets(folder, manifest);
    kept.check();
    if (edge !== undefined) kept.#takeEdge(edge);
    for (const kind of secretKinds) await kept.#make(kind);
    writeManifest(folder, manifest);
    return kept;
  }

  /** @throws SecretsError */
  check(except?: SecretKind): void {
    const faults = Object.entries(this.manifest.files).flatMap(([file, { kind, fingerprint }]) => {
      if (kind === except) return [];
      const content = readSecret(join(this.folder, file));
      const mend =
        `Restore it from your backup of the folder, or make a new one: ` +
        `npx understudy secrets rotate ${kind} --folder ${this.folder}`;
      if (content === undefined) return [`The secret ${join(this.folder, file)} is missing. ${mend}`];
      if (fingerprintOf(content) !== fingerprint)
        return [`The secret ${join(this.folder, file)} is damaged or was changed by hand. ${mend}`];
      return [];
    });
    if (faults.length > 0) throw new SecretsError(faults);
  }

  /**
   * Replaces every secret of a kind. Users' keys, the authority and the superuser's password overlap: the old ones count
   * too until `finish`.
   * @throws SecretsError when something of another kind is missing or damaged.
   */
  async rotate(kind: SecretKind): Promise<void> {
    this.check(kind);
    if (kind === "postgres-superuser") this.#rememberSuperuser();
    if (kind === "nats-users") this.#rememberKeys();
    if (kind === "authority") this.#rememberAuthority();
    // What the authority signed is renewed with it.
    const kinds: SecretKind[] = kind === "authority" ? [kind, "nats-certificates", "postgres-certificates"] : [kind];
    for (const [file, { kind: of }] of Object.entries(this.manifest.files)) {
      if (!kinds.includes(of) || overlapping.has(file)) continue;
      rmSync(join(this.folder, file), { force: true });
      delete this.manifest.files[file];
    }
    for (const each of kinds) await this.#make(each);
    writeManifest(this.folder, this.manifest);
  }

  /** The old ones of a kind with an overlap count no longer. */
  finish(kind: SecretKind): void {
    if (kind === "nats-users") this.manifest.previousKeys = {};
    const file = { authority: files.previousAuthority, "postgres-superuser": files.formerSuperuser }[kind as string];
    if (file !== undefined) {
      rmSync(join(this.folder, file), { force: true });
      delete this.manifest.files[file];
    }
    writeManifest(this.folder, this.manifest);
  }

  seed(user: KeyUser): string {
    return this.#read(files.seed(user));
  }
  /** The present key and, during a rotation, the one before. */
  publicKeys(user: KeyUser): readonly string[] {
    const previous = this.manifest.previousKeys[user];
    return [publicKeyOf(this.seed(user)), ...(previous === undefined ? [] : [previous])];
  }
  get routePassword(): string {
    return this.#read(files.route).trim();
  }
  password(role: DatabaseRole): string {
    return this.#read(files.password(role));
  }
  /** For keepers: the present one and, during a rotation, the one before below it. */
  get superuserPasswords(): string {
    return this.password("superuser") + (readSecret(join(this.folder, files.formerSuperuser)) ?? "");
  }
  /** All authorities that are believed, PEM. */
  get authorities(): string {
    return this.#read(files.authority) + (readSecret(join(this.folder, files.previousAuthority)) ?? "");
  }
  certificate(folder: "nats" | "postgres", member: string): GivenCertificate {
    return {
      certificate: this.#read(files.certificate(folder, member)),
      key: this.#read(files.key(folder, member)),
    };
  }
  get edge(): GivenCertificate {
    return { certificate: this.#read(files.edge), key: this.#read(files.edgeKey) };
  }

  #read(file: string): string {
    const content = readSecret(join(this.folder, file));
    if (content === undefined) throw new SecretsError([`The secret ${join(this.folder, file)} is missing.`]);
    return content;
  }

  async #make(kind: SecretKind): Promise<void> {
    const { plan } = this.manifest;
    switch (kind) {
      case "authority": {
        const key = await this.#keepKey(files.authorityKey, kind);
        await this.#keepCertificate(files.authority, kind, () => makeAuthority(key, plan.cluster));
        break;
      }
      case "nats-users":
        for (const user of keyUsers) this.#keep(files.seed(user), kind, makeSeed);
        break;
      case "nats-routes":
        this.#keep(files.route, kind, makePassword);
        break;
      case "nats-certificates":
        for (const node of plan.nats) await this.#makeLeaf("nats", node, kind);
        break;
      case "postgres-certificates":
        for (const instance of plan.postgres) await this.#makeLeaf("postgres", instance, kind);
        break;
      case "postgres-superuser":
        this.#keep(files.password("superuser"), kind, makePassword);
        break;
      case "postgres-passwords":
        for (const role of databaseRoles.filter((one) => one !== "superuser"))
          this.#keep(files.password(role), kind, makePassword);
        break;
      case "edge-certificate": {
        const key = await this.#keepKey(files.edgeKey, kind);
        const names = { subject: plan.edge[0] ?? "localhost", hosts: plan.edge };
        await this.#keepCertificate(files.edge, kind, () => makeSelfSigned(key, names));
        break;
      }
    }
  }

  async #makeLeaf(folder: "nats" | "postgres", member: Member, kind: SecretKind): Promise<void> {
    const key = await this.#keepKey(files.key(folder, member.name), kind);
    const authority = { key: this.#read(files.authorityKey), certificate: this.#read(files.authority) };
    const names = namesOf(member);
    const file = files.certificate(folder, member.name);
    const found = readSecret(join(this.folder, file));
    // Another host name needs another certificate; the key stays.
    const fits =
      found !== undefined &&
      certificateFault(found, key, authority.certificate) === undefined &&
      coversHosts(found, names.hosts);
    if (found !== undefined && !fits) rmSync(join(this.folder, file));
    await this.#keepCertificate(file, kind, () => makeCertificate(key, names, authority));
  }

  #keep(file: string, kind: SecretKind, make: () => string): string {
    const content = keepSecret(join(this.folder, file), make);
    record(this.manifest, file, kind, content);
    return content;
  }

  async #keepKey(file: string, kind: SecretKind): Promise<string> {
    const made = readSecret(join(this.folder, file)) ?? (await makeKey());
    return this.#keep(file, kind, () => made);
  }

  async #keepCertificate(file: string, kind: SecretKind, make: () => Promise<string>): Promise<void> {
    const made = readSecret(join(this.folder, file)) ?? (await make());
    const content = keepSecret(join(this.folder, file), () => made);
    record(this.manifest, file, kind, content, expiryOf(content));
  }

  #takeEdge({ certificate, key }: GivenCertificate): void {
    const fault = certificateFault(certificate, key);
    if (fault !== undefined) throw new SecretsError([`The given certificate of the edge ${fault}.`]);
    replaceSecret(join(this.folder, files.edgeKey), key);
    replaceSecret(join(this.folder, files.edge), certificate);
    record(this.manifest, files.edgeKey, "edge-certificate", key);
    record(this.manifest, files.edge, "edge-certificate", certificate, expiryOf(certificate));
  }

  #rememberKeys(): void {
    for (const user of keyUsers) {
      const seed = readSecret(join(this.folder, files.seed(user)));
      try {
        if (seed !== undefined) this.manifest.previousKeys[user] = publicKeyOf(seed);
      } catch {
        // Damaged: nobody can have used it.
      }
    }
  }

  /**
   * What the instances know: the present one where it is whole. Else the former one as it stands: a rotation that was
   * killed had told nobody of the present one.
   * @throws SecretsError when a rotation is under way: the one before the former one would be forgotten.
   */
  #rememberSuperuser(): void {
    const file = files.password("superuser");
    const present = readSecret(join(this.folder, file));
    const former = readSecret(join(this.folder, files.formerSuperuser));
    const isWhole = present !== undefined && fingerprintOf(present) === this.manifest.files[file]?.fingerprint;
    if (isWhole && former !== undefined && former !== present) {
      throw new SecretsError([
        `The rotation before is not finished: when all db-keepers run with it, npx understudy secrets rotate postgres-superuser --finish --folder ${this.folder}`,
      ]);
    }
    const known = isWhole ? present : former;
    if (known === undefined) return;
    replaceSecret(join(this.folder, files.formerSuperuser), known);
    record(this.manifest, files.formerSuperuser, "postgres-superuser", known);
  }

  #rememberAuthority(): void {
    const certificate = readSecret(join(this.folder, files.authority));
    try {
      if (certificate === undefined) return;
      replaceSecret(join(this.folder, files.previousAuthority), certificate);
      record(this.manifest, files.previousAuthority, "authority", certificate, expiryOf(certificate));
    } catch {
      rmSync(join(this.folder, files.previousAuthority), { force: true });
    }
  }
}
