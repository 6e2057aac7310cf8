/**
 * The certificate that users see, and its key: read from two files, and read again when they change, so that a renewed
 * certificate needs no restart. What cannot be used is never put in force: the one before stays, and the log says why.
 *
 * It owns a timer between `watch` and `stop`.
 */
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { ConfigurationError, type Log } from "@understudy/runtime";

export interface KeyPair {
  /** PEM, with the certificates between it and its authority behind it. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

const lookEveryMs = 5_000;

/** @throws Error that names the file and the fault. */
function read({ certificateFile, keyFile }: CertificateFiles): KeyPair {
  const [cert, key] = [certificateFile, keyFile].map((path) => {
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
    }
  }) as [string, string];
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new Error(`${certificateFile} and ${keyFile} are no certificate with its key: ${(cause as Error).message}`, {
      cause,
    });
  }
  return { cert, key };
}

export class EdgeCertificate {
  #inForce: KeyPair;
  #seen: string;
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly files: CertificateFiles,
    private readonly log: Log,
  ) {
    this.#inForce = read(files);
    this.#seen = this.#stamp();
  }

  /**
   * Undefined when neither file is named: then the edge is plain HTTP.
   * @throws ConfigurationError when one is missing or they do not belong together.
   */
  static of(certificateFile: string | undefined, keyFile: string | undefined, log: Log): EdgeCertificate | undefined {
    if (certificateFile === undefined && keyFile === undefined) return undefined;
    if (certificateFile === undefined || keyFile === undefined)
      throw new ConfigurationError([
        "UNDERSTUDY_TLS_CERTIFICATE_FILE and UNDERSTUDY_TLS_KEY_FILE: give both, or neither for plain HTTP",
      ]);
    try {
      return new EdgeCertificate({ certificateFile, keyFile }, log);
    } catch (error) {
      throw new ConfigurationError([`UNDERSTUDY_TLS_CERTIFICATE_FILE: ${(error as Error).message}`]);
    }
  }

  get current(): KeyPair {
    return this.#inForce;
  }

  /** Calls `onChange` with each new pair that can be used. */
  watch(onChange: (pair: KeyPair) => void): void {
    this.#timer = setInterval(() => this.#look(onChange), lookEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(onChange: (pair: KeyPair) => void): void {
    const stamp = this.#stamp();
    if (stamp === this.#seen) return;
    // Two files are not replaced in one moment: what does not fit yet is looked at again when it changes again.
    this.#seen = stamp;
    try {
      this.#inForce = read(this.files);
      onChange(this.#inForce);
      this.log.info({ file: this.files.certificateFile }, "a new certificate is in force");
    } catch (error) {
      this.log.warn({ reason: (error as Error).message }, "the certificate before stays in force");
    }
  }

  #stamp(): string {
    return [this.files.certificateFile, this.files.keyFile]
      .map((path) => {
        const stats = statSync(path, { throwIfNoEntry: false });
        return `${stats?.ino}/${stats?.mtimeMs}/${stats?.size}`;
      })
      .join(" ");
  }
}
