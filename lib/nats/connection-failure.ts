import { errors } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { redact } from "../core/redact.ts";

/** What is known of an attempt to connect; nothing of it is secret. */
export interface Attempt {
  /** The addresses. */
  readonly where: string;
  /** Who we said we were. */
  readonly login: string | undefined;
  readonly timeoutMs: number;
}

const START_IT =
  "Start it, or set NATS_URL to where it runs; without NATS_URL `runbeat up` brings its own";

/** Puts a failed attempt in words. `unavailable` may pass by itself, anything else will not. */
export function connectionFailure(error: unknown, attempt: Attempt): AppError {
  if (error instanceof AppError) return error;
  const [code, what] = describe(error, attempt);
  return new AppError(code, `NATS at ${attempt.where} ${redact(what)}`, { cause: error });
}

function describe(error: unknown, attempt: Attempt): [AppError["code"], string] {
  if (isLoginFailure(error)) return ["forbidden", loginAdvice(attempt)];
  const text = messageOf(error);
  if (error instanceof errors.TimeoutError) {
    return ["unavailable", `did not answer within ${attempt.timeoutMs / 1000} s. ${START_IT}`];
  }
  if (isTlsFailure(error)) {
    return ["invalid", `did not pass the TLS check: ${text}. Check nats.tls_ca, tls_cert, tls_key`];
  }
  return ["unavailable", `can't be reached: ${text}. ${START_IT}`];
}

function isLoginFailure(error: unknown): boolean {
  return (
    error instanceof errors.AuthorizationError ||
    error instanceof errors.UserAuthenticationExpiredError
  );
}

function loginAdvice(attempt: Attempt): string {
  return attempt.login === undefined
    ? "wants a login. Set NATS_CREDS, NATS_TOKEN, or NATS_USER and NATS_PASSWORD"
    : `refused ${attempt.login}. Check that it is right and still valid`;
}

/** Source: Node's TLS and X509 error codes, https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
function isTlsFailure(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  const text = messageOf(error);
  const isCertificate =
    typeof code === "string" && /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_|SELF_|UNABLE_)/.test(code);
  return isCertificate || /certificate|support 'tls'|'tls' is not available/i.test(text);
}
