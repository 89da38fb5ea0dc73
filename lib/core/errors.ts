/** What kind of failure it is; the API maps it to an HTTP status, `cmd` to an exit code. */
export type ErrorCode =
  "invalid" | "not_found" | "conflict" | "unavailable" | "forbidden" | "internal";

/**
 * The one error that Runbeat throws on purpose. The message names the thing, the value and what
 * to do about it; it is shown to people as it is.
 */
export class AppError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "AppError";
    this.code = code;
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
