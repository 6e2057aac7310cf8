import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { once } from "node:events";
import { pino } from "pino";
import { makeKey, makeSelfSigned } from "@understudy/secrets";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { EdgeCertificate } from "../src/http/edge-certificate.ts";
import { httpBackend, type Backend } from "./backends.ts";
import { sendRaw } from "./raw-client.ts";
import { Rig } from "./rig.ts";

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const silent = pino({ level: "silent" });

describe("a balancer with a certificate", () => {
  let folder: TemporaryFolder;
  let backend: Backend;
  let rig: Rig;
  let authority: string;
  const files = () => [join(folder.path, "tls.crt"), join(folder.path, "tls.key")] as const;
  const seen: (string | undefined)[] = [];

  async function putCertificate(): Promise<void> {
    const key = await makeKey();
    authority = await makeSelfSigned(key, { subject: "localhost", hosts: ["localhost"] });
    const [certificateFile, keyFile] = files();
    writeFileSync(certificateFile, authority);
    writeFileSync(keyFile, key);
  }

  beforeAll(async () => {
    folder = temporaryFolder("edge");
    await putCertificate();
    backend = await httpBackend((incoming, response) => {
      seen.push(incoming.headers["x-forwarded-proto"] as string);
      incoming.resume();
      if (incoming.url === "/own") response.setHeader("strict-transport-security", "max-age=1");
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      response.end("served");
    });
    rig = await Rig.start(
      [backend],
      { headersTimeoutMs: 500, maxConnections: 5 },
      EdgeCertificate.of(...files(), silent),
    );
  });
  afterAll(async () => {
    await rig.stop();
    folder.remove();
  });

  const ask = (path = "/"): Promise<Answer> =>
    new Promise((resolve, reject) => {
      request({ host: "localhost", port: rig.port, path, ca: authority, agent: false }, (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => (body += text));
        answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body }));
      })
        .on("error", reject)
        .end();
    });

  it("serves over TLS, says so to the app server, and tells browsers to come back that way", async () => {
    expect(rig.url).toMatch(/^https:/);
    const { status, headers, body } = await ask();
    expect([status, body]).toEqual([200, "served"]);
    expect(headers["strict-transport-security"]).toBe("max-age=31536000");
    expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(seen.at(-1)).toBe("https");
  });

  it("leaves an application its own word about that, once", async () => {
    expect((await ask("/own")).headers["strict-transport-security"]).toBe("max-age=1");
  });

  it("refuses a malformed request in one answer over TLS as it does without", async () => {
    const socket = connectTls({ host: "localhost", port: rig.port, ca: authority });
    await once(socket, "secureConnect");
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });

  it("says nothing without TLS, and nothing below version 1.2", async () => {
    const { text, closed } = await sendRaw(rig.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", { withinMs: 3_000 });
    expect([text, closed]).toEqual(["", true]);
    const old = connectTls({
      host: "localhost",
      port: rig.port,
      ca: authority,
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
    });
    await expect(once(old, "secureConnect")).rejects.toThrow(/protocol|version|alert/i);
  });

  it("ends a handshake that does not come to its end, and counts it as a connection meanwhile", async () => {
    const slow = Array.from({ length: 5 }, () => connect(rig.port, "127.0.0.1"));
    await Promise.all(slow.map((socket) => once(socket, "connect")));
    const refused = connect(rig.port, "127.0.0.1").on("error", () => undefined);
    await once(refused, "close");
    await Promise.all(slow.map((socket) => once(socket.on("error", () => undefined).resume(), "close")));
    expect((await ask()).status).toBe(200);
  });

  it("takes a renewed certificate without a restart and without cutting anybody, and keeps the old one when the new is broken", async () => {
    const before: TLSSocket = connectTls({ host: "localhost", port: rig.port, ca: authority });
    await once(before, "secureConnect");
    before.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(before, "data");
    writeFileSync(files()[1], "no key\n");
    const old = authority;
    await putCertificate();
    await eventually(async () => (await ask()).status === 200, {
      withinMs: 15_000,
      describe: "the new one is in force",
    });
    expect(authority).not.toBe(old);
    before.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [first] = (await once(before, "data")) as [Buffer];
    expect(first.toString("latin1")).toMatch(/^HTTP\/1\.1 200 /);
    before.destroy();
  });
});

describe("the edge's certificate", () => {
  it("is refused at the start when it is half given, missing or does not fit its key", async () => {
    const folder = temporaryFolder("edge");
    const [certificateFile, keyFile] = [join(folder.path, "tls.crt"), join(folder.path, "tls.key")];
    expect(EdgeCertificate.of(undefined, undefined, silent)).toBeUndefined();
    expect(() => EdgeCertificate.of(certificateFile, undefined, silent)).toThrow(/give both, or neither/);
    expect(() => EdgeCertificate.of(certificateFile, keyFile, silent)).toThrow(/cannot read .*tls\.crt/);
    writeFileSync(certificateFile, await makeSelfSigned(await makeKey(), { subject: "x", hosts: ["x"] }));
    writeFileSync(keyFile, await makeKey());
    expect(() => EdgeCertificate.of(certificateFile, keyFile, silent)).toThrow(/no certificate with its key/);
    folder.remove();
  });
});
