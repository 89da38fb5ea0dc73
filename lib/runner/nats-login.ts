/** Logs a heartbeat line in; the signing code is loaded only where a credentials file is used. */
import { readFile } from "node:fs/promises";
import { AppError, messageOf } from "../core/errors.ts";
import type { NatsLineOptions } from "./nats-line.ts";
import type { LoginFields } from "./nats-wire.ts";

/** Null, undefined and empty text all mean "not given". */
type Given = string | null | undefined;

export interface NatsLogin {
  /** Path of a credentials file. */
  readonly creds?: Given;
  /** Path of a file with an nkey's seed. */
  readonly nkey?: Given;
  readonly token?: Given;
  readonly user?: Given;
  readonly password?: Given;
}

/** The login function for a line; undefined where only the URL may carry one. */
export function natsLogin(given: NatsLogin): NatsLineOptions["login"] {
  const { creds, nkey, token, user, password } = given;
  if (creds) return async (nonce) => await signedLogin("creds", creds, nonce);
  if (nkey) return async (nonce) => await signedLogin("nkey", nkey, nonce);
  if (token) return () => ({ auth_token: token });
  if (user) return () => ({ user, pass: password ?? "" });
  return undefined;
}

/** The file is read for each connection, so that a renewed one is used without a restart. */
async function signedLogin(
  kind: "creds" | "nkey",
  path: string,
  nonce: string | undefined,
): Promise<LoginFields> {
  try {
    const nats = await import("@nats-io/transport-node");
    const text = await readFile(path, "utf8");
    const login =
      kind === "creds"
        ? nats.credsAuthenticator(Buffer.from(text))
        : nats.nkeyAuthenticator(Buffer.from(text.trim()));
    return login(nonce) as LoginFields;
  } catch (error) {
    throw new AppError("invalid", `${kind} file ${path}: ${messageOf(error)}`);
  }
}
