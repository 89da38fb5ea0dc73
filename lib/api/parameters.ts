/** Query parameters: read, checked and described by one definition each. */
import { z } from "@hono/zod-openapi";
import { parseTime } from "../core/time.ts";

/** One parameter: how its texts become a value, and what that value must be. */
export interface Parameter<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  /** `texts`: one for each time that it was given, empty ones left out; at least one. */
  readonly read: (texts: readonly string[]) => unknown;
  /** May be given more than once. */
  readonly repeats: boolean;
}

export type Parameters = Readonly<Record<string, Parameter>>;

export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer Schema> ? z.output<Schema> : never;
};

const first = (texts: readonly string[]): unknown => texts[0];

export function textParameter<Schema extends z.ZodType>(schema: Schema): Parameter<Schema> {
  return { schema, read: first, repeats: false };
}

function integer([text = ""]: readonly string[]): unknown {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

export function integerParameter<Schema extends z.ZodType>(schema: Schema): Parameter<Schema> {
  return { schema, read: integer, repeats: false };
}

/** Yes or no: `1`, `true`, `0`, `false`. */
export function flagParameter(about: string): Parameter<z.ZodDefault<z.ZodBoolean>> {
  const words: Readonly<Record<string, boolean>> = {
    "1": true,
    true: true,
    "0": false,
    false: false,
  };
  return {
    schema: z.boolean().default(false).describe(about),
    read: ([text = ""]) => words[text.toLowerCase()] ?? text,
    repeats: false,
  };
}

/** Several values, with commas between them or given again and again. */
export function listParameter<Schema extends z.ZodType>(schema: Schema, about: string) {
  return {
    schema: z.array(schema).default([]).describe(about),
    read: (texts: readonly string[]) =>
      texts.flatMap((text) => text.split(",")).filter((text) => text !== ""),
    repeats: true,
  };
}

/** Several values, each given on its own: they may hold commas. */
export function repeatedParameter<Schema extends z.ZodType>(schema: Schema, about: string) {
  return {
    schema: z.array(schema).default([]).describe(about),
    read: (texts: readonly string[]) => texts,
    repeats: true,
  };
}

/** A moment, as epoch ms. */
export function timeParameter(about: string) {
  return textParameter(
    z
      .string()
      .refine((text) => parseTime(text) !== undefined, {
        error: "must be an RFC 3339 time such as 2026-01-31T03:12:00Z",
      })
      .transform((text) => parseTime(text))
      .optional()
      .openapi({ description: about, format: "date-time", example: "2026-01-31T03:12:00Z" }),
  );
}

const EPOCH_MS = /^\d{12,15}$/;

function parseInstant(text: string): number | undefined {
  return EPOCH_MS.test(text) ? Number(text) : parseTime(text);
}

/** The same, and epoch ms as digits are taken too. Nothing relative: pages must agree on it. */
export function instantParameter(about: string) {
  return textParameter(
    z
      .string()
      .refine((text) => parseInstant(text) !== undefined, {
        error: "must be an RFC 3339 time such as 2026-01-31T03:12:00Z, or epoch milliseconds",
      })
      .transform(parseInstant)
      .optional()
      .openapi({ description: about, example: "2026-01-31T03:12:00Z" }),
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  "": 1_000,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(\d{1,9})([smhd]?)$/;
const MAX_DURATION_MS = 30 * 86_400_000;

function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  return Number(match?.[1] ?? 0) * (UNIT_MS[match?.[2] ?? ""] ?? 0);
}

/** A span of time such as `60s`, `5m`, `1h`, `1d`, as ms. */
export function durationParameter(about: string) {
  const isAllowed = (text: string): boolean => {
    const ms = parseDuration(text);
    return ms >= 1_000 && ms <= MAX_DURATION_MS;
  };
  return textParameter(
    z
      .string()
      .refine(isAllowed, { error: "must be from 1s to 30d, for example 60s, 5m or 1h" })
      .transform(parseDuration)
      .optional()
      .openapi({ description: about, example: "60s" }),
  );
}

export type Read<P extends Parameters> =
  | { readonly ok: true; readonly values: Values<P> }
  | {
      readonly ok: false;
      readonly code: "invalid_parameter" | "unknown_parameter";
      readonly detail: string;
    };

/** Reads a query by its definition. A parameter without a value counts as not given. */
export function readParameters<P extends Parameters>(
  definitions: P,
  query: Readonly<Record<string, string[]>>,
): Read<P> {
  const unknown = Object.keys(query).find((name) => !Object.hasOwn(definitions, name));
  if (unknown !== undefined) {
    const detail = `There is no parameter "${unknown}" here: ${allowedNames(definitions)}`;
    return { ok: false, code: "unknown_parameter", detail };
  }
  const values: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const texts = (query[name] ?? []).filter((text) => text !== "");
    const problem = readOne(name, definition, texts, values);
    if (problem !== undefined) return { ok: false, code: "invalid_parameter", detail: problem };
  }
  return { ok: true, values: values as Values<P> };
}

function allowedNames(definitions: Parameters): string {
  const names = Object.keys(definitions);
  return names.length === 0 ? "it takes none" : `it takes ${names.join(", ")}`;
}

/** What is wrong with it, undefined where nothing is. */
function readOne(
  name: string,
  { schema, read, repeats }: Parameter,
  texts: readonly string[],
  values: Record<string, unknown>,
): string | undefined {
  if (texts.length > 1 && !repeats) return `${name} is given ${texts.length} times: give it once`;
  const parsed = schema.safeParse(texts.length === 0 ? undefined : read(texts));
  if (parsed.success) {
    values[name] = parsed.data;
    return undefined;
  }
  const shown = texts.join(",").slice(0, 100);
  return `${name}=${shown}: ${parsed.error.issues.map(({ message }) => message).join("; ")}`;
}
