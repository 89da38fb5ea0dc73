import { AppError } from "./errors.ts";

export const RUNNER_KINDS = ["camera", "worker", "service", "process"] as const;
export type RunnerKind = (typeof RUNNER_KINDS)[number];

/** `kind/name/profile`, made only by the parsers of this file. */
export type RunnerId = string & { readonly __brand: "RunnerId" };

export interface RunnerParts {
  readonly kind: RunnerKind;
  readonly name: string;
  readonly profile: string;
}

/** `name` and `profile`: 1–64 characters, each one NATS subject token. */
export const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

export function isRunnerKind(text: string): text is RunnerKind {
  return (RUNNER_KINDS as readonly string[]).includes(text);
}

export function isToken(text: string): boolean {
  return TOKEN_PATTERN.test(text);
}

/** Parses `kind/name/profile`; undefined when it is not one. */
export function tryParseRunnerId(text: string): RunnerId | undefined {
  const [kind, name, profile, ...rest] = text.split("/");
  if (kind === undefined || name === undefined || profile === undefined) return undefined;
  if (rest.length > 0 || !isRunnerKind(kind) || !isToken(name) || !isToken(profile)) {
    return undefined;
  }
  return text as RunnerId;
}

/** Parses `kind/name/profile`. @throws AppError `invalid` that says what is allowed. */
export function parseRunnerId(text: string): RunnerId {
  const id = tryParseRunnerId(text);
  if (id !== undefined) return id;
  throw new AppError(
    "invalid",
    `"${text}" is not a runner: write kind/name/profile with kind one of ${RUNNER_KINDS.join(", ")} ` +
      "and name and profile of 1-64 characters A-Z a-z 0-9 _ -, for example camera/front-door/hd",
  );
}

export function runnerId(parts: RunnerParts): RunnerId {
  return `${parts.kind}/${parts.name}/${parts.profile}` as RunnerId;
}

export function runnerParts(id: RunnerId): RunnerParts {
  const [kind, name, profile] = id.split("/") as [RunnerKind, string, string];
  return { kind, name, profile };
}

/**
 * Whether a runner matches a pattern such as `camera/*\/hd`; `*` stands for any run of characters
 * within one part. A pattern with fewer than three parts matches every runner below it.
 */
export function matchesRunner(pattern: string, id: RunnerId): boolean {
  const wanted = pattern.split("/");
  const parts = id.split("/");
  if (wanted.length > parts.length) return false;
  return wanted.every((part, index) => matchesText(part, parts[index] ?? ""));
}

/** `*` stands for any run of characters. */
export function matchesText(pattern: string, text: string): boolean {
  const pieces = pattern.split("*");
  if (pieces.length === 1) return pattern === text;
  const first = pieces[0] ?? "";
  const last = pieces[pieces.length - 1] ?? "";
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
