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
  readonly token?: Given;
  readonly user?: Given;
  readonly password?: Given;
}

/** The login function for a line; undefined where only the URL may carry one. */
export function natsLogin(given: NatsLogin): NatsLineOptions["login"] {
  const { creds, token, user, password } = given;
  if (creds) return async (nonce) => await signedLogin(creds, nonce);
  if (token) return () => ({ auth_token: token });
  if (user) return () => ({ user, pass: password ?? "" });
  return undefined;
}

/** The file is read for each connection, so that a renewed one is used without a restart. */
async function signedLogin(path: string, nonce: string | undefined): Promise<LoginFields> {
  try {
    const { credsAuthenticator } = await import("@nats-io/transport-node");
    return credsAuthenticator(await readFile(path))(nonce) as LoginFields;
  } catch (error) {
    throw new AppError("invalid", `credentials file ${path}: ${messageOf(error)}`);
  }
}
