/** The copies below `for/`: each reader's folder holds exactly what it reads. */
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { serviceKind, type ServiceKind } from "@understudy/contracts";
import { natsConfiguration, type NatsUsers } from "@understudy/engines/nats-configuration";
import { publicKeyOf, type KeptSecrets } from "./kept-secrets.ts";
import { natsUserRules } from "./nats-rules.ts";
import { readSecret, replaceSecret, type Owner } from "./secret-file.ts";
import type { DatabaseRole, KeyUser } from "./secrets-plan.ts";

type Folder = Readonly<Record<string, string>>;

/** Where a container mounts its reader's folder. */
const mountedAt = "/run/understudy";

const passwordsOf: Readonly<Partial<Record<ServiceKind, readonly DatabaseRole[]>>> = {
  "message-server": ["application", "owner"],
  "app-server": ["application", "owner"],
  "db-pool": ["application"],
  "db-keeper": ["superuser", "owner", "application", "replication", "backup"],
};

export const natsUsersOf = (kept: KeptSecrets): NatsUsers => ({
  rules: natsUserRules(kept.manifest.plan.databases, (user) => kept.publicKeys(user)),
  system: publicKeyOf(kept.seed("system")),
});

function ofService(kept: KeptSecrets, kind: ServiceKind): Folder {
  return {
    "ca.crt": kept.authorities,
    "nats.seed": kept.seed(kind),
    "supervisor.seed": kept.seed("supervisor"),
    ...Object.fromEntries(
      (passwordsOf[kind] ?? []).map((role) => [
        `${role}.password`,
        role === "superuser" ? kept.superuserPasswords : kept.password(role),
      ]),
    ),
  };
}

const asFiles = ({ certificate, key }: { certificate: string; key: string }): Folder => ({
  "tls.crt": certificate,
  "tls.key": key,
});

function ofNode(kept: KeptSecrets, name: string): Folder {
  const { plan } = kept.manifest;
  return {
    "ca.crt": kept.authorities,
    ...asFiles(kept.certificate("nats", name)),
    "nats-server.conf": natsConfiguration({
      name,
      cluster: plan.cluster,
      dataDir: "/data",
      host: "0.0.0.0",
      clientPort: 4222,
      routePort: 6222,
      monitorPort: 8222,
      routes: plan.nats.filter((node) => node.name !== name).map(({ host }) => `nats://${host}:6222`),
      routePassword: kept.routePassword,
      users: natsUsersOf(kept),
      tls: {
        certificateFile: `${mountedAt}/tls.crt`,
        keyFile: `${mountedAt}/tls.key`,
        authorityFile: `${mountedAt}/ca.crt`,
      },
      // nats-a stands on machine-a.
      tags: [`machine:machine-${name.slice(name.lastIndexOf("-") + 1)}`],
    }),
  };
}

/** Content by reader and file. */
export function readerFolders(kept: KeptSecrets): ReadonlyMap<string, Folder> {
  const { plan } = kept.manifest;
  const ofUser = (user: KeyUser): Folder => ({ "ca.crt": kept.authorities, "nats.seed": kept.seed(user) });
  const services = serviceKind.options.filter((kind) => kind !== "db-keeper");
  return new Map<string, Folder>([
    ...plan.nats.map(({ name }): [string, Folder] => [name, ofNode(kept, name)]),
    ...services.map((kind): [string, Folder] => [
      kind,
      { ...ofService(kept, kind), ...(kind === "load-balancer" && asFiles(kept.edge)) },
    ]),
    ...plan.postgres.map(({ name }): [string, Folder] => [
      name,
      { ...ofService(kept, "db-keeper"), ...asFiles(kept.certificate("postgres", name)) },
    ]),
    ["backup", { "ca.crt": kept.authorities, "backup.password": kept.password("backup") }],
    ["supervisor", ofUser("supervisor")],
    ["operator", ofUser("operator")],
    ["system", ofUser("system")],
  ]);
}

const ownerOf = (folder: string): Owner => {
  const { uid, gid } = statSync(folder);
  return { uid, gid };
};

/** Writes what differs and removes what a reader no longer reads. The folders themselves stay: they may be mounts. */
export function writeReaderFolders(kept: KeptSecrets, owners: ReadonlyMap<string, Owner>): void {
  const parent = join(kept.folder, "for");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  for (const [reader, content] of readerFolders(kept)) {
    const folder = join(parent, reader);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    // Who has the folder has its files: a rotation need not be told again.
    const owner = owners.get(reader) ?? (process.getuid?.() === 0 ? ownerOf(folder) : undefined);
    for (const [file, text] of Object.entries(content)) {
      const path = join(folder, file);
      if (readSecret(path) !== text) replaceSecret(path, text, owner);
      chmodSync(path, 0o600);
      if (owner) chownSync(path, owner.uid, owner.gid);
    }
    for (const file of readdirSync(folder)) if (!(file in content)) rmSync(join(folder, file), { force: true });
    if (owner) chownSync(folder, owner.uid, owner.gid);
  }
}
