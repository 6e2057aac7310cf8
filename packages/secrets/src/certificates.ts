/**
 * The cluster's own certificate authority and what it signs. Keys are EC P-256: a handshake with RSA costs several times
 * as much, and takeovers wait for handshakes.
 */
import "reflect-metadata";
import { createPublicKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;
const authorityDays = 3_650;
/** What clients accept at most (Apple, browsers) for an edge; inner ones keep to the same. */
const leafDays = 397;
/** Clocks of machines differ. */
const backdatedMs = 3_600_000;

x509.cryptoProvider.set(webcrypto as never);

export interface Names {
  /** Common name. */
  readonly subject: string;
  /** Host names and addresses by which it is reached. */
  readonly hosts: readonly string[];
}

interface Times {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const validFor = (days: number, now = Date.now()): Times => ({
  notBefore: new Date(now - backdatedMs),
  notAfter: new Date(now + days * dayMs),
});

const isAddress = (host: string): boolean => /^[\d.]+$|:/.test(host);
const serialNumber = (): string => `00${randomBytes(16).toString("hex")}`;
const subjectName = (subject: string): string => `CN=${subject.replaceAll(/[,+"\\<>;=#]/g, " ")}, O=Understudy`;

/** A new private key, PKCS#8 PEM. */
export async function makeKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const bytes = await webcrypto.subtle.exportKey("pkcs8", privateKey);
  return `${x509.PemConverter.encode(bytes, "PRIVATE KEY")}\n`;
}

/** @throws when `pem` is no EC P-256 key. */
async function keyPair(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const [bytes] = x509.PemConverter.decode(pem);
  if (bytes === undefined) throw new Error("it holds no private key");
  const privateKey = await webcrypto.subtle.importKey("pkcs8", bytes, algorithm, true, ["sign"]);
  const { d: _secret, ...publicPart } = await webcrypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await webcrypto.subtle.importKey("jwk", { ...publicPart, key_ops: ["verify"] }, algorithm, true, [
    "verify",
  ]);
  return { privateKey, publicKey };
}

const text = (certificate: x509.X509Certificate): string => `${certificate.toString("pem")}\n`;

/** A certificate with which `key` signs others. */
export async function makeAuthority(key: string, cluster: string): Promise<string> {
  const keys = await keyPair(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subjectName(`Understudy authority of ${cluster}`),
    ...validFor(authorityDays),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return text(certificate);
}

const leafExtensions = ({ hosts }: Names): x509.Extension[] => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  // Nodes are clients of each other, too.
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
  new x509.SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: isAddress(value) ? ("ip" as const) : ("dns" as const), value })),
  ),
];

export async function makeCertificate(
  key: string,
  names: Names,
  authority: { readonly key: string; readonly certificate: string },
): Promise<string> {
  const [{ publicKey }, { privateKey: signingKey }] = await Promise.all([keyPair(key), keyPair(authority.key)]);
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectName(names.subject),
    issuer: issuer.subject,
    ...validFor(leafDays),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey,
    extensions: [...leafExtensions(names), await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)],
  });
  return text(certificate);
}

/** For the edge: users' clients believe it alone, not whatever the inner authority signs. */
export async function makeSelfSigned(key: string, names: Names): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subjectName(names.subject),
    ...validFor(leafDays),
    signingAlgorithm: algorithm,
    keys: await keyPair(key),
    extensions: leafExtensions(names),
  });
  return text(certificate);
}

/** Whether `certificate` is whole, belongs to `key` and was signed by `authority`; else why not. */
export function certificateFault(certificate: string, key: string, authority?: string): string | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    const own = parsed.publicKey.export({ type: "spki", format: "pem" });
    if (own !== publicKeyOf(key)) return "does not belong to its key";
    if (authority !== undefined && !parsed.verify(new X509Certificate(authority).publicKey))
      return "was not signed by this cluster's authority";
    return undefined;
  } catch (error) {
    return `cannot be read as a certificate (${(error as Error).message})`;
  }
}

function publicKeyOf(key: string): string | Buffer {
  return createPublicKey(key).export({ type: "spki", format: "pem" });
}

export const coversHosts = (certificate: string, hosts: readonly string[]): boolean => {
  const parsed = new X509Certificate(certificate);
  return hosts.every((host) => (isAddress(host) ? parsed.checkIP(host) : parsed.checkHost(host)) !== undefined);
};

export const expiryOf = (certificate: string): string =>
  new Date(new X509Certificate(certificate).validTo).toISOString();
