/** `NATS_URL`: one address or several, separated by commas. */
import { AppError } from "../core/errors.ts";
import { redact } from "../core/redact.ts";

const DEFAULT_PORT = 4222;
const SCHEMES = ["nats", "tls"];

export interface ServerList {
  /** `host:port` each, without a login. */
  readonly servers: readonly string[];
  /** Whether an address asks for TLS with `tls://`. */
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** The addresses as they may be shown. */
  readonly shown: string;
}

interface Address {
  readonly server: string;
  readonly tls: boolean;
  readonly login: string | undefined;
}

/**
 * Reads `nats://user:password@host:port`, `tls://host`, `host:port` and lists of them. The login
 * of the first address that has one is used for all.
 * @throws AppError `invalid` naming the address that can't be read.
 */
export function parseServerList(url: string): ServerList {
  const addresses = url
    .split(",")
    .map((address) => address.trim())
    .filter((address) => address !== "")
    .map(parseAddress);
  if (addresses.length === 0) throw new AppError("invalid", "NATS_URL names no server");
  const login = addresses.find((address) => address.login !== undefined)?.login;
  return {
    servers: addresses.map((address) => address.server),
    tls: addresses.some((address) => address.tls),
    ...parseLogin(login),
    shown: addresses.map(({ server, tls }) => `${tls ? "tls" : "nats"}://${server}`).join(", "),
  };
}

function parseAddress(text: string): Address {
  const match = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:(.*)@)?([^@]*)$/is.exec(text);
  const scheme = (match?.[1] ?? "nats").toLowerCase();
  if (!SCHEMES.includes(scheme)) throw badAddress(text, `${scheme}:// is not a NATS scheme`);
  const hostPort = (match?.[3] ?? "").replace(/\/$/, "");
  const parts = /^(\[[0-9a-f:.%]+\]|[^:/?#\s[\]]+)(?::(\d{1,5}))?$/i.exec(hostPort);
  const port = Number(parts?.[2] ?? DEFAULT_PORT);
  if (parts === null) throw badAddress(text, "it has no host, or more than host and port");
  if (port < 1 || port > 65_535) throw badAddress(text, `port ${port} is not from 1 to 65535`);
  return { server: `${parts[1]}:${port}`, tls: scheme === "tls", login: match?.[2] };
}

function badAddress(text: string, why: string): AppError {
  return new AppError(
    "invalid",
    `NATS_URL has "${redact(text)}": ${why}. Write nats://host:port, several separated by commas`,
  );
}

function parseLogin(login: string | undefined): Pick<ServerList, "user" | "password" | "token"> {
  const none = { user: undefined, password: undefined, token: undefined };
  if (login === undefined || login === "") return none;
  const colon = login.indexOf(":");
  if (colon < 0) return { ...none, token: decoded(login) };
  return {
    user: decoded(login.slice(0, colon)),
    password: decoded(login.slice(colon + 1)),
    token: undefined,
  };
}

/** As it stands where it is not percent-encoded properly: people paste passwords. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
