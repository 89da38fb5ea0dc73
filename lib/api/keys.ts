/** Who may read, who may give orders, and who may say that a runner lives. Keys are compared as digests, in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import { matchesRunner } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { problem } from "./problem.ts";

export const INGEST_SCOPES = ["heartbeat", "register"] as const;
export type IngestScope = (typeof INGEST_SCOPES)[number];

/** A key of the configuration: only its digest is known. */
export interface ConfiguredKey {
  readonly id: string;
  /** Of the key, in hexadecimal. */
  readonly sha256: string;
  readonly scopes: readonly IngestScope[];
  /** Patterns such as `camera/*\/hd`. */
  readonly runners: readonly string[];
}

export interface KeyOptions {
  /** Guards reading; null leaves it open, which only loopback may be. */
  readonly readKey: string | null;
  /** Whoever may give orders may read as well; null takes no orders. */
  readonly operateKey: string | null;
  /** Good for every heartbeat. */
  readonly heartbeatKey: string;
  readonly more: readonly ConfiguredKey[];
}

interface KnownKey<Scope extends string = string> {
  readonly id: string;
  readonly digest: Buffer;
  readonly scopes: readonly Scope[];
  readonly runners: readonly string[];
}

/** A key that was recognised. */
export interface IngestGrant {
  readonly id: string;
  may(scope: IngestScope, runner: RunnerId): boolean;
}

export type IngestCheck =
  | { readonly ok: true; readonly grant: IngestGrant }
  | { readonly ok: false; readonly isMissing: boolean };

function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/** Compares with every key, found or not: how long it takes tells nothing about any of them. */
function findKey<Key extends { digest: Buffer }>(
  keys: readonly Key[],
  text: string,
): Key | undefined {
  const digest = digestOf(text);
  let found: Key | undefined;
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found ??= key;
  return found;
}

/** The token of `Authorization: Bearer …`. Source: RFC 6750, section 2.1. */
export function bearerToken(c: Context): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "");
  return match?.[1];
}

export class Keys {
  private readonly reading: readonly { digest: Buffer }[];
  private readonly operating: readonly { digest: Buffer }[];
  private readonly ingest: readonly KnownKey<IngestScope>[];
  private readonly isOpen: boolean;

  constructor({ readKey, operateKey, heartbeatKey, more }: KeyOptions) {
    const readers = [readKey, operateKey].filter((key) => key !== null);
    this.isOpen = readKey === null;
    this.reading = readers.map((key) => ({ digest: digestOf(key) }));
    this.operating = operateKey === null ? [] : [{ digest: digestOf(operateKey) }];
    this.ingest = [
      {
        id: "heartbeat_key",
        digest: digestOf(heartbeatKey),
        scopes: INGEST_SCOPES,
        runners: ["*"],
      },
      ...more.map(({ sha256, ...key }) => ({ ...key, digest: Buffer.from(sha256, "hex") })),
    ];
  }

  /** Undefined where the request may read, else the answer to it: 401 without a key, 403 with a wrong one. */
  refuseReader(c: Context): Response | undefined {
    if (this.isOpen) return undefined;
    const token = bearerToken(c);
    if (token === undefined) {
      const detail =
        "Reading needs the read key: send it as a bearer token, in the header Authorization";
      return problem(c, "unauthorized", detail, { "www-authenticate": 'Bearer realm="runbeat"' });
    }
    if (findKey(this.reading, token) !== undefined) return undefined;
    return problem(c, "forbidden", "This is not the read key (RUNBEAT_READ_KEY)");
  }

  /** Whether there is a key at all with which orders can be given. */
  get takesOrders(): boolean {
    return this.operating.length > 0;
  }

  /** What to do where there is none. */
  readonly whyNoOrders =
    "This Runbeat takes no orders over HTTP: start it with an operate key (RUNBEAT_OPERATE_KEY)";

  /** The same for orders. A read key is not enough, and without an operate key nobody may. */
  refuseOperator(c: Context): Response | undefined {
    if (!this.takesOrders) return problem(c, "forbidden", this.whyNoOrders);
    const token = bearerToken(c);
    if (token === undefined) {
      const detail =
        "Orders need the operate key: send it as a bearer token, in the header Authorization";
      return problem(c, "unauthorized", detail, { "www-authenticate": 'Bearer realm="runbeat"' });
    }
    if (findKey(this.operating, token) !== undefined) return undefined;
    return problem(c, "forbidden", "This is not the operate key (RUNBEAT_OPERATE_KEY)");
  }

  /** Looks for an ingest key in `X-BISK-KEY` or as a bearer token. */
  checkIngest(c: Context): IngestCheck {
    const own = c.req.header("x-bisk-key") ?? "";
    const text = own === "" ? bearerToken(c) : own;
    if (text === undefined) return { ok: false, isMissing: true };
    const key = findKey(this.ingest, text);
    if (key === undefined) return { ok: false, isMissing: false };
    const may: IngestGrant["may"] = (scope, runner) =>
      key.scopes.includes(scope) && key.runners.some((pattern) => matchesRunner(pattern, runner));
    return { ok: true, grant: { id: key.id, may } };
  }
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|\[?::ffff:127(\.\d{1,3}){3}\]?)$/i;

/** @throws AppError `invalid` where others than this machine could read without a key. */
export function requireReadKey(host: string, readKey: string | null): void {
  if (readKey !== null || LOOPBACK.test(host)) return;
  throw new AppError(
    "invalid",
    `The API would listen on ${host}, where others can read it: set RUNBEAT_READ_KEY, ` +
      "or listen on 127.0.0.1 (RUNBEAT_HTTP_HOST)",
  );
}
