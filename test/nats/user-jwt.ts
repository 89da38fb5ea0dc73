/** A NATS operator, account and user made on the spot, as `nsc` would make them. Source: NATS ADR-14. */
import { createHash } from "node:crypto";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface JwtSetup {
  /** For the server's configuration file. */
  readonly serverConfig: string;
  /** The text of a credentials file. */
  readonly creds: string;
}

export function makeJwtSetup(): JwtSetup {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const user = nkeys.createUser();
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1 };
  const operatorJwt = sign(operator, operator, "operator", { type: "operator", version: 2 });
  const accountJwt = sign(operator, account, "account", { type: "account", version: 2, limits });
  const userJwt = sign(account, user, "user", { type: "user", version: 2, ...limits });
  const accountId = account.getPublicKey();
  return {
    serverConfig: [
      `operator: ${operatorJwt}`,
      `resolver: MEMORY`,
      `resolver_preload: { ${accountId}: ${accountJwt} }`,
    ].join("\n"),
    creds: credsText(userJwt, new TextDecoder().decode(user.getSeed())),
  };
}

function sign(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = {
    jti: createHash("sha256").update(name).digest("hex"),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats,
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}

function credsText(jwt: string, seed: string): string {
  return [
    "-----BEGIN NATS USER JWT-----",
    jwt,
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seed,
    "------END USER NKEY SEED------",
    "",
  ].join("\n");
}
