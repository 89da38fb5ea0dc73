/**
 * The few lines of the NATS client protocol that a publisher needs
 * (https://docs.nats.io/reference/reference-protocols/nats-protocol).
 */
import { AppError } from "../core/errors.ts";
import { redact } from "../core/redact.ts";

const DEFAULT_PORT = 4222;
const MAX_PORT = 65_535;
/** The greeting lists the cluster's addresses; nothing that a publisher is sent is longer. */
const MAX_LINE_BYTES = 65_536;
const NEWLINE = 10;

/** One server of the list in NATS_URL. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** The URL asks for TLS; the server may ask for it as well. */
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

/** What the server says of itself on connect. */
export interface ServerInfo {
  readonly tls_required?: boolean;
  readonly auth_required?: boolean;
  readonly nonce?: string;
  readonly connect_urls?: readonly string[];
  readonly max_payload?: number;
}

/** How to log in, in the words of the CONNECT message. */
export interface LoginFields {
  readonly user?: string;
  readonly pass?: string;
  readonly auth_token?: string;
  readonly jwt?: string;
  readonly nkey?: string;
  readonly sig?: string;
}

/** Scheme, login and `host:port`; a password may hold an `@`, as people paste them. */
const ADDRESS =
  /^(?:(nats|tls):\/\/)?(?:(.*)@)?(\[[0-9a-f:.%]+\]|[^:/?#\s[\]@]+)(?::(\d{1,5}))?\/?$/is;

/** `nats://a:4222,tls://user:pass@b` → addresses. @throws AppError `invalid`. */
export function parseServers(text: string): ServerAddress[] {
  const servers = text.split(",").map((part) => part.trim());
  const found = servers.filter((part) => part !== "").map(parseServer);
  if (found.length > 0) return found;
  throw new AppError("invalid", "NATS_URL names no server: write e.g. nats://127.0.0.1:4222");
}

function parseServer(text: string): ServerAddress {
  const [, scheme, login, host, port] = ADDRESS.exec(text) ?? [];
  if (host === undefined || Number(port ?? DEFAULT_PORT) > MAX_PORT) {
    throw new AppError(
      "invalid",
      `NATS_URL has "${redact(text)}", which is no server: write nats://host:port or tls://host:port`,
    );
  }
  return {
    host: host.replace(/^\[(.*)\]$/, "$1"),
    port: Number(port ?? DEFAULT_PORT),
    tls: scheme?.toLowerCase() === "tls",
    ...parseLogin(login ?? ""),
  };
}

/** A user without a password is a token, as in every NATS client. */
function parseLogin(login: string): Pick<ServerAddress, "user" | "password" | "token"> {
  if (login === "") return {};
  const colon = login.indexOf(":");
  if (colon < 0) return { token: decoded(login) };
  return { user: decoded(login.slice(0, colon)), password: decoded(login.slice(colon + 1)) };
}

/** As it stands where it is not percent-encoded properly. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The login that a server's own URL carries. */
export function addressLogin(address: ServerAddress): LoginFields {
  if (address.token !== undefined) return { auth_token: address.token };
  if (address.user === undefined) return {};
  return { user: address.user, pass: address.password ?? "" };
}

/** The CONNECT line, and a PING whose PONG tells that the login was accepted. */
export function connectLines(name: string, login: LoginFields): string {
  const options = {
    verbose: false,
    pedantic: false,
    protocol: 1,
    lang: "runbeat",
    version: "1",
    name,
    headers: false,
    echo: false,
    ...login,
  };
  return `CONNECT ${JSON.stringify(options)}\r\nPING\r\n`;
}

/** A publication, and a PING whose PONG tells that the server has read it. */
export function publishFrame(subject: string, body: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`PUB ${subject} ${body.byteLength}\r\n`),
    body,
    Buffer.from("\r\nPING\r\n"),
  ]);
}

export type ServerLine =
  | { readonly type: "info"; readonly info: ServerInfo }
  | { readonly type: "ping" }
  | { readonly type: "pong" }
  | { readonly type: "error"; readonly text: string }
  | { readonly type: "other" };

/** One line of the server, without its line end. */
export function parseServerLine(line: string): ServerLine {
  const word = line.split(/[ \t]/, 1)[0]?.toUpperCase();
  const rest = line.slice(word?.length ?? 0).trim();
  if (word === "PING") return { type: "ping" };
  if (word === "PONG") return { type: "pong" };
  if (word === "-ERR") return { type: "error", text: rest.replace(/^'(.*)'$/, "$1") };
  if (word !== "INFO") return { type: "other" };
  try {
    return { type: "info", info: JSON.parse(rest) as ServerInfo };
  } catch {
    return { type: "error", text: "this is not a NATS server: its greeting can't be read" };
  }
}

/**
 * Cuts a stream of bytes into lines.
 * @returns feeds a chunk; false when a line is too long to be one of NATS.
 */
export function createLineReader(onLine: (line: string) => void): (chunk: Buffer) => boolean {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const line = rest.subarray(0, end).toString("utf8");
      rest = rest.subarray(end + 1);
      onLine(line.replace(/\r$/, ""));
    }
    return rest.length <= MAX_LINE_BYTES;
  };
}
