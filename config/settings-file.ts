/** Reads a settings file: YAML, every key known, nothing guessed. */
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { didYouMean } from "../lib/core/nearest-word.ts";
import { SETTING_LIST } from "./setting-list.ts";

/** Values of a file by key (`http.port`). */
export type FileValues = ReadonlyMap<string, unknown>;

const KEYS = new Set(SETTING_LIST.map((entry) => entry.key));
const GROUPS = new Set(
  SETTING_LIST.flatMap(({ key }) => {
    const parts = key.split(".");
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("."));
  }),
);

/**
 * @throws AppError `invalid` when the file can't be read, is no YAML mapping or holds unknown keys.
 */
export function readSettingsFile(file: string): FileValues {
  const values = new Map<string, unknown>();
  const content = parseYaml(file, readText(file));
  if (content !== null) collect(file, content, "", values);
  return values;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new AppError(
      "invalid",
      `The configuration file ${file} can't be read (${messageOf(error)}): give another with --config`,
      { cause: error },
    );
  }
}

function parseYaml(file: string, text: string): unknown {
  const document = parseDocument(text, { maxAliasCount: 100 } as object);
  const problem = document.errors[0];
  if (problem !== undefined) {
    const [summary] = problem.message.split("\n");
    throw new AppError("invalid", `The configuration file ${file} is not valid YAML: ${summary}`);
  }
  return document.toJS({ maxAliasCount: 100 });
}

function collect(file: string, node: unknown, prefix: string, into: Map<string, unknown>): void {
  for (const [name, value] of Object.entries(mapping(file, node, prefix))) {
    const key = prefix === "" ? name : `${prefix}.${name}`;
    if (KEYS.has(key)) into.set(key, value);
    else if (!GROUPS.has(key)) throw unknownKey(file, key, prefix);
    else if (value !== null) collect(file, value, key, into);
  }
}

function mapping(file: string, node: unknown, prefix: string): object {
  if (typeof node === "object" && node !== null && !Array.isArray(node)) return node;
  const place = prefix === "" ? "the file" : prefix;
  throw new AppError(
    "invalid",
    `${file}: ${place} is ${JSON.stringify(node).slice(0, 80)}, but must be a mapping of keys to values`,
  );
}

function unknownKey(file: string, key: string, prefix: string): AppError {
  const siblings = [...KEYS, ...GROUPS].filter((known) => known.startsWith(prefix));
  return new AppError(
    "invalid",
    `${file}: unknown key "${key}".${didYouMean(key, siblings)} All keys: runbeat config`,
  );
}
