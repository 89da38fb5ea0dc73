import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { isUnheard } from "./jetstream.ts";

/** Source: the `code` of answers in nats-server's errors.json, HTTP's by meaning. */
const UNAVAILABLE = 503;

/**
 * Puts in words that a request got no answer: it was lost with a connection or a server, or
 * JetStream is only just starting or has no leader. Asked again, it may get one.
 * @returns AppError `unavailable`; undefined for whatever is not of that kind.
 */
export function noAnswer(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error.code === "unavailable" ? error : undefined;
  if (!isNoAnswer(error)) return undefined;
  return new AppError(
    "unavailable",
    `NATS does not answer (${messageOf(error)}): check that it runs and is not overloaded, and try again`,
    { cause: error },
  );
}

function isNoAnswer(error: unknown): boolean {
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    isUnheard(error) ||
    (error instanceof JetStreamApiError && error.status === UNAVAILABLE)
  );
}
