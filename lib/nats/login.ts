/** Who we are to the NATS server: a credentials file, an nkey, a token, or user and password. */
import { readFileSync } from "node:fs";
import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { Authenticator } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";

/** Null, undefined and empty text all mean "not given". */
type Given = string | null | undefined;

export interface LoginOptions {
  /** Path of a credentials file (JWT and seed). */
  readonly creds?: Given;
  /** Path of a file with an nkey's seed. */
  readonly nkey?: Given;
  readonly token?: Given;
  readonly user?: Given;
  readonly password?: Given;
}

export interface Login {
  readonly authenticator: Authenticator;
  /** For messages: `user "ops"`, never a secret. */
  readonly shown: string;
}

/**
 * The login, or undefined where none is given. Files are read again for each connection, so that a
 * renewed one is used without a restart.
 * @throws AppError `invalid` for a file that can't be read or does not hold what it should.
 */
export function buildLogin(options: LoginOptions): Login | undefined {
  const { creds, nkey, token, user, password } = options;
  if (creds) {
    const authenticator = credsAuthenticator(fileReader(creds, "credentials file"));
    return checked({ authenticator, shown: `credentials file ${creds}` });
  }
  if (nkey) {
    const authenticator = nkeyAuthenticator(fileReader(nkey, "nkey file"));
    return checked({ authenticator, shown: `nkey file ${nkey}` });
  }
  if (token) return { authenticator: tokenAuthenticator(token), shown: "the token" };
  if (!user) return undefined;
  const authenticator = usernamePasswordAuthenticator(user, password ?? "");
  return { authenticator, shown: `user "${user}"` };
}

/** Once it could be read, what was read last serves while the file can't be. */
function fileReader(path: string, what: string): () => Uint8Array {
  let last: Uint8Array | undefined;
  return () => {
    try {
      last = trimmed(readFileSync(path));
    } catch (error) {
      if (last === undefined) {
        const why = messageOf(error);
        throw new AppError("invalid", `The NATS ${what} can't be read: ${why}`, { cause: error });
      }
    }
    return last;
  };
}

/** The line break at the end of a seed file is not part of the seed. */
function trimmed(bytes: Buffer): Uint8Array {
  return Buffer.from(`${bytes.toString("utf8").trim()}\n`.replace(/^(\S+)\n$/, "$1"));
}

/** Signs a made-up challenge, so that a broken file is named now and not as a refused login. */
function checked(login: Login): Login {
  try {
    login.authenticator("challenge");
    return login;
  } catch (error) {
    if (error instanceof AppError) throw error;
    const why = messageOf(error);
    throw new AppError("invalid", `The NATS ${login.shown} can't be used: ${why}`, {
      cause: error,
    });
  }
}
