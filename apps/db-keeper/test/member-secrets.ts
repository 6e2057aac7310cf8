import { secretFile, setUpSecrets, type KeptSecrets } from "@understudy/secrets";
import { database, type TlsFiles } from "./keeper-cluster.ts";

/** Certificates for the members of a `KeeperCluster`, made as the setup of a real cluster makes them. */
export function makeMemberSecrets(folder: string): Promise<KeptSecrets> {
  const member = (name: string) => ({ name, host: "127.0.0.1" });
  return setUpSecrets({
    folder,
    plan: {
      cluster: "understudy",
      nats: [member("nats-a")],
      postgres: [member("postgres-a"), member("postgres-b")],
      databases: [database],
      edge: ["localhost"],
    },
  });
}

export const tlsFilesOf = ({ folder }: KeptSecrets, member: string): TlsFiles => ({
  certificate: secretFile(folder, member, "tls.crt"),
  key: secretFile(folder, member, "tls.key"),
  authority: secretFile(folder, member, "ca.crt"),
});
