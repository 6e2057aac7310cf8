import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { finishRotation, listSecrets, rotateSecrets, secretFile, setUpSecrets } from "./cluster-secrets.ts";
import { publicKeyOf } from "./kept-secrets.ts";
import { secretKinds, type SecretsPlan } from "./secrets-plan.ts";

const plan: SecretsPlan = {
  cluster: "shop",
  nats: ["a", "b", "c"].map((letter) => ({ name: `nats-${letter}`, host: `nats-${letter}` })),
  postgres: ["a", "b"].map((letter) => ({ name: `postgres-${letter}`, host: `10.0.0.${letter === "a" ? 1 : 2}` })),
  databases: ["shop"],
  edge: ["shop.example.com"],
};

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "secrets-")), "secrets");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

const contents = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]),
  );

describe("the secrets of a cluster", () => {
  it("are made once: a second run leaves every file as it is", async () => {
    await setUpSecrets({ folder, plan });
    const first = contents();
    await setUpSecrets({ folder, plan });
    expect(contents()).toEqual(first);
    expect(Object.keys(first)).toEqual(
      expect.arrayContaining(["for/nats-a/nats-server.conf", "for/postgres-b/tls.key", "for/operator/nats.seed"]),
    );
  });

  it("are read by their owner alone", async () => {
    await setUpSecrets({ folder, plan });
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      expect(mode.toString(8)).toBe(entry.isFile() ? "600" : "700");
    }
  });

  it("give each reader its own: no folder holds the authority's key or another's seed", async () => {
    await setUpSecrets({ folder, plan });
    const all = contents();
    const authorityKey = all["kept/authority.key"] ?? "";
    for (const [file, text] of Object.entries(all)) {
      if (file.startsWith("for/")) expect(text).not.toContain(authorityKey.trim());
    }
    const seeds = Object.entries(all).filter(([file]) => /^for\/[^/]+\/nats\.seed$/.test(file));
    // Both keepers share one.
    expect(new Set(seeds.map(([, seed]) => seed)).size).toBe(seeds.length - 1);
  });

  it("that are missing or damaged are all named, with what to do, and not made anew", async () => {
    await setUpSecrets({ folder, plan });
    rmSync(join(folder, "kept/nats/app-server.seed"));
    writeFileSync(join(folder, "kept/postgres/owner.password"), "");
    await expect(setUpSecrets({ folder, plan })).rejects.toMatchObject({
      faults: [
        expect.stringMatching(/app-server\.seed is missing.*secrets rotate nats-users/),
        expect.stringMatching(/owner\.password is damaged.*secrets rotate postgres-passwords/),
      ],
    });
    await expect(rotateSecrets(folder, "nats-users")).rejects.toThrow(/owner\.password/);
    writeFileSync(join(folder, "manifest.json"), "{");
    await expect(setUpSecrets({ folder, plan })).rejects.toThrow(/manifest\.json cannot be read/);
  });

  it("that a reader lost come back from the originals", async () => {
    await setUpSecrets({ folder, plan });
    const first = contents();
    writeFileSync(secretFile(folder, "app-server", "nats.seed"), "nonsense");
    rmSync(secretFile(folder, "nats-a", "tls.key"));
    await setUpSecrets({ folder, plan });
    expect(contents()).toEqual(first);
  });

  it("that are damaged are mended by their rotation", async () => {
    await setUpSecrets({ folder, plan });
    rmSync(join(folder, "kept/authority.key"));
    writeFileSync(join(folder, "kept/authority.crt"), "nonsense");
    await rotateSecrets(folder, "authority");
    await setUpSecrets({ folder, plan });
  });

  it.each(secretKinds)("of kind %s are replaced by a rotation, and no others", async (kind) => {
    await setUpSecrets({ folder, plan });
    const [before, kinds] = [contents(), new Map(listSecrets(folder).map((one) => [one.file, one.kind]))];
    await rotateSecrets(folder, kind);
    const after = contents();
    const changed = [...kinds].filter(([file]) => before[file] !== after[file]).map(([, each]) => each);
    const expected = kind === "authority" ? [kind, "nats-certificates", "postgres-certificates"] : [kind];
    expect([...new Set(changed)].sort()).toEqual([...expected].sort());
    expect(listSecrets(folder).every(({ madeAt }) => !Number.isNaN(Date.parse(madeAt)))).toBe(true);
  });

  it("overlap while the superuser's password is rotated: keepers are told both until it is finished", async () => {
    await setUpSecrets({ folder, plan });
    const told = () =>
      readFileSync(secretFile(folder, "postgres-a", "superuser.password"), "utf8")
        .trim()
        .split("\n");
    const [first] = told();
    await rotateSecrets(folder, "postgres-superuser");
    const [second, ...former] = told();
    expect(second).not.toBe(first);
    expect(former).toEqual([first]);
    // A second rotation would forget what the instances still know.
    await expect(rotateSecrets(folder, "postgres-superuser")).rejects.toThrow(/not finished.*--finish/);
    finishRotation(folder, "postgres-superuser");
    expect(told()).toEqual([second]);
    await rotateSecrets(folder, "postgres-superuser");
    expect(told()[1]).toBe(second);
  });

  it.each([
    ["before the new one was made", (old: string) => [old, old]],
    ["before it was written down", (old: string) => [old, "not-told-to-anybody\n"]],
  ])("of the superuser survive a rotation that was killed %s", async (_when, left) => {
    await setUpSecrets({ folder, plan });
    const file = join(folder, "kept/postgres/superuser.password");
    const old = readFileSync(file, "utf8");
    const [former = "", present = ""] = left(old);
    writeFileSync(join(folder, "kept/postgres/superuser-former.password"), former);
    writeFileSync(file, present);
    await rotateSecrets(folder, "postgres-superuser");
    const told = readFileSync(secretFile(folder, "postgres-a", "superuser.password"), "utf8")
      .trim()
      .split("\n");
    expect(told).toEqual([expect.not.stringMatching(present.trim()), old.trim()]);
    finishRotation(folder, "postgres-superuser");
  });

  it("of the superuser that are damaged are no longer known to anybody", async () => {
    await setUpSecrets({ folder, plan });
    writeFileSync(join(folder, "kept/postgres/superuser.password"), "nonsense");
    await rotateSecrets(folder, "postgres-superuser");
    const told = readFileSync(secretFile(folder, "postgres-a", "superuser.password"), "utf8");
    expect(told.trim().split("\n")).toHaveLength(1);
  });

  it("overlap while users' keys are rotated: nodes let both in until it is finished", async () => {
    await setUpSecrets({ folder, plan });
    const seed = () => readFileSync(secretFile(folder, "app-server", "nats.seed"), "utf8");
    const conf = () => readFileSync(secretFile(folder, "nats-b", "nats-server.conf"), "utf8");
    const old = publicKeyOf(seed());
    await rotateSecrets(folder, "nats-users");
    expect(publicKeyOf(seed())).not.toBe(old);
    expect(conf()).toContain(old);
    expect(conf()).toContain(publicKeyOf(seed()));
    finishRotation(folder, "nats-users");
    expect(conf()).not.toContain(old);
  });

  it("overlap while the authority is rotated: both are believed until it is finished", async () => {
    await setUpSecrets({ folder, plan });
    const believed = () => readFileSync(secretFile(folder, "operator", "ca.crt"), "utf8").match(/BEGIN/g)?.length;
    await rotateSecrets(folder, "authority");
    expect(believed()).toBe(2);
    finishRotation(folder, "authority");
    expect(believed()).toBe(1);
  });

  it("hold certificates for the names by which parts are reached, signed by the cluster's authority", async () => {
    await setUpSecrets({ folder, plan });
    const read = (reader: string, file: string) => new X509Certificate(readFileSync(secretFile(folder, reader, file)));
    const instance = read("postgres-b", "tls.crt");
    expect(instance.checkIP("10.0.0.2")).toBe("10.0.0.2");
    expect(instance.checkHost("postgres-b")).toBe("postgres-b");
    expect(instance.verify(read("postgres-b", "ca.crt").publicKey)).toBe(true);
    const edge = read("load-balancer", "tls.crt");
    expect(edge.checkHost("shop.example.com")).toBe("shop.example.com");
    expect(edge.verify(read("postgres-b", "ca.crt").publicKey)).toBe(false);
  });

  it("of an instance that moved get a certificate for its new name, and keep the key", async () => {
    await setUpSecrets({ folder, plan });
    const before = contents();
    const moved = { ...plan, postgres: plan.postgres.map((one) => ({ ...one, host: `${one.name}.example.com` })) };
    await setUpSecrets({ folder, plan: moved });
    expect(contents()["kept/postgres/postgres-a.key"]).toBe(before["kept/postgres/postgres-a.key"]);
    const certificate = new X509Certificate(contents()["kept/postgres/postgres-a.crt"] ?? "");
    expect(certificate.checkHost("postgres-a.example.com")).toBe("postgres-a.example.com");
  });

  it("take a given certificate of the edge, and refuse one that is not its key's", async () => {
    await setUpSecrets({ folder, plan });
    const { "kept/nats/nats-a.crt": certificate = "", "kept/nats/nats-a.key": key = "" } = contents();
    await setUpSecrets({ folder, plan, edge: { certificate, key } });
    expect(readFileSync(secretFile(folder, "load-balancer", "tls.crt"), "utf8")).toBe(certificate);
    const other = contents()["kept/nats/nats-b.key"] ?? "";
    await expect(setUpSecrets({ folder, plan, edge: { certificate, key: other } })).rejects.toThrow(/does not belong/);
  });
});
