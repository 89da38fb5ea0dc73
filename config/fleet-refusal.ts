/** Says what is wrong with a fleet file: the place, the value as written, and what is allowed. */
import type { z } from "zod";
import { AppError } from "../lib/core/errors.ts";
import { redactDeep } from "../lib/core/redact.ts";
import { fleetSchema } from "./fleet-schema.ts";
import { didYouMean } from "../lib/core/nearest-word.ts";

/** Keys and list positions from the top of the file. */
export type Place = readonly PropertyKey[];

/** The first thing that is wrong, in words; values as written, so that no secret is shown. */
export function refusal(
  issues: readonly z.core.$ZodIssue[],
  written: unknown,
  name: string,
): AppError {
  const [issue] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return new AppError(
    "invalid",
    `${name}: ${issue === undefined ? "" : said(issue, written)}${more}`,
  );
}

function said(issue: z.core.$ZodIssue, written: unknown): string {
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const hint = didYouMean(key, knownKeys(issue.path));
    return `${shownPlace([...issue.path, key])} is no key of a fleet file.${hint}`;
  }
  const value = valueAt(written, issue.path);
  // A bad runner name is reported on the mapping; the inner issue says why.
  const inner = issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
  if (inner !== undefined) return `runners has "${String(issue.path.at(-1))}", which ${inner}`;
  if (value === undefined) return `${shownPlace(issue.path)} is missing: it ${issue.message}`;
  return `${shownPlace(issue.path)} is ${shownValue(value, issue.path)}, but ${issue.message}`;
}

/** `runners."camera/door/hd".camera.stall_sec` */
export function shownPlace(place: Place): string {
  if (place.length === 0) return "the file";
  const [first, ...rest] = place.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^\w+$/.test(String(part)) ? `.${String(part)}` : `."${String(part)}"`;
  });
  return [(first ?? "").replace(/^\./, ""), ...rest].join("");
}

function shownValue(value: unknown, place: Place): string {
  const key = place.findLast((part) => typeof part === "string") ?? "";
  return (JSON.stringify(redactDeep(value, key)) ?? String(value)).slice(0, 120);
}

function valueAt(node: unknown, place: Place): unknown {
  let value = node;
  for (const part of place) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** Keys that the schema has at a place, for a hint. */
function knownKeys(place: Place): string[] {
  let schema: unknown = fleetSchema;
  for (const part of place) schema = innerSchema(unwrapped(schema), part);
  const shape = (unwrapped(schema) as { shape?: object } | undefined)?.shape;
  return Object.keys(shape ?? {});
}

function innerSchema(schema: unknown, part: PropertyKey): unknown {
  const { shape, valueType } = (schema ?? {}) as {
    shape?: Record<PropertyKey, unknown>;
    valueType?: unknown;
  };
  return shape?.[part] ?? valueType;
}

function unwrapped(schema: unknown): unknown {
  let inner = schema as { unwrap?: () => unknown } | undefined;
  while (typeof inner?.unwrap === "function") inner = inner.unwrap() as typeof inner;
  return inner;
}
