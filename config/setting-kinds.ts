/** The kinds of settings: how each is read from text, checked and described. */
import { z } from "zod";

/** One configuration key: what it may be, what it is unless told otherwise, and what it is for. */
export interface Setting<T> {
  readonly is: "setting";
  /** One line for people; ends up in `runbeat config`, the README and config/runbeat.yaml. */
  readonly about: string;
  readonly fallback: T;
  /** What stands for the default in tables where the value itself says too little. */
  readonly fallbackText: string | undefined;
  /** Names in the environment, the first that is set wins; empty: `RUNBEAT_` and the key. */
  readonly env: readonly string[];
  readonly secret: boolean;
  /** What a value must be, for messages: "a whole number from 1 to 65535". */
  readonly allowed: string;
  readonly schema: z.ZodType<T>;
  /** Text of the environment or a flag → the value as it would stand in the file. */
  readonly fromText: (text: string) => unknown;
}

interface Common<T> {
  readonly about: string;
  readonly fallback: T;
  readonly fallbackText?: string;
  readonly env?: readonly string[];
  readonly secret?: boolean;
}

function setting<T>(
  common: Common<T>,
  rest: Pick<Setting<T>, "allowed" | "schema" | "fromText">,
): Setting<T> {
  return {
    is: "setting",
    about: common.about,
    fallback: common.fallback,
    fallbackText: common.fallbackText,
    env: common.env ?? [],
    secret: common.secret ?? false,
    ...rest,
  };
}

/** Makes a setting that may be left open; `null` and empty text in the file do so. */
export function orNone<T>(inner: Setting<T>, noneText: string): Setting<T | null> {
  return {
    ...inner,
    fallback: null,
    fallbackText: noneText,
    schema: z.union([z.null(), inner.schema]),
  };
}

const keepText = (text: string): unknown => text;

interface TextOptions extends Common<string> {
  readonly pattern?: RegExp;
  readonly allowed?: string;
}

/** Free text, not empty. */
export function text(options: TextOptions): Setting<string> {
  const schema = options.pattern ? z.string().min(1).regex(options.pattern) : z.string().min(1);
  return setting(options, { allowed: options.allowed ?? "text", schema, fromText: keepText });
}

interface NumberOptions extends Common<number> {
  readonly min: number;
  readonly max?: number;
}

function numberSchema(options: NumberOptions): z.ZodNumber {
  return z
    .number()
    .min(options.min)
    .max(options.max ?? Number.MAX_SAFE_INTEGER);
}

function range(noun: string, options: NumberOptions, unit = ""): string {
  if (options.max === undefined) return `${noun} of at least ${options.min}${unit}`;
  return `${noun} from ${options.min} to ${options.max}${unit}`;
}

/** `""` and `" "` are no numbers, though `Number` takes them for 0. */
function numberFromText(input: string): unknown {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(input) ? Number(input) : input;
}

export function wholeNumber(options: NumberOptions): Setting<number> {
  const schema = numberSchema(options).int();
  const allowed = range("a whole number", options);
  return setting(options, { allowed, schema, fromText: numberFromText });
}

export function decimal(options: NumberOptions): Setting<number> {
  const allowed = range("a number", options);
  return setting(options, { allowed, schema: numberSchema(options), fromText: numberFromText });
}

const SECONDS_PER: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function secondsOf(input: unknown): unknown {
  if (typeof input !== "string") return input;
  const match = /^\s*(\d+\.?\d*)\s*([smhd])\s*$/.exec(input);
  return match ? Number(match[1]) * (SECONDS_PER[match[2] ?? ""] ?? 1) : numberFromText(input);
}

/** A duration in seconds; `90s`, `15m`, `24h` and `30d` are taken too. */
export function seconds(options: NumberOptions): Setting<number> {
  return setting(options, {
    allowed: `${range("seconds", options)}, or a duration such as 90s, 15m, 24h, 30d`,
    schema: z.preprocess(secondsOf, numberSchema(options)),
    fromText: secondsOf,
  });
}

const BYTES_PER: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

function bytesOf(input: unknown): unknown {
  if (typeof input !== "string") return input;
  const match = /^\s*(\d+\.?\d*)\s*([KMGT]?I?B)\s*$/i.exec(input);
  const factor = BYTES_PER[match?.[2]?.toUpperCase() ?? ""];
  return match && factor ? Math.round(Number(match[1]) * factor) : numberFromText(input);
}

/** A size in bytes; `512MB`, `8GiB` are taken too. */
export function bytes(options: NumberOptions): Setting<number> {
  return setting(options, {
    allowed: `${range("bytes", options)}, or a size such as 512MB, 8GiB`,
    schema: z.preprocess(bytesOf, numberSchema(options).int()),
    fromText: bytesOf,
  });
}

const WORDS: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

export function flag(options: Common<boolean>): Setting<boolean> {
  return setting(options, {
    allowed: "true or false",
    schema: z.boolean(),
    fromText: (input) => WORDS[input.trim().toLowerCase()] ?? input,
  });
}

interface ChoiceOptions<T extends string> extends Common<T> {
  readonly of: readonly T[];
}

export function choice<T extends string>(options: ChoiceOptions<T>): Setting<T> {
  return setting(options, {
    allowed: `one of ${options.of.join(", ")}`,
    schema: z.custom<T>((value) => (options.of as readonly unknown[]).includes(value)),
    fromText: keepText,
  });
}

interface ListOptions extends Common<readonly number[]> {
  readonly max: number;
}

function listFromText(input: string): unknown {
  return input.split(",").map(numberFromText);
}

/** Seconds, one after the other: `5,15,45` in the environment, a list in the file. */
export function secondsList(options: ListOptions): Setting<readonly number[]> {
  const list = z.array(z.number().min(0)).min(1).max(options.max);
  return setting(options, {
    allowed: `1 to ${options.max} numbers of seconds such as 5,15,45`,
    schema: z.preprocess(
      (value) =>
        typeof value === "string"
          ? listFromText(value)
          : typeof value === "number"
            ? [value]
            : value,
      list,
    ),
    fromText: listFromText,
  });
}

/** Texts: with commas between them in the environment, a list in the file. */
export function textList(options: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(options, {
    allowed: "a list of texts; with commas between them in the environment",
    schema: z.array(z.string().min(1)).max(1_000),
    fromText: (input) =>
      input
        .split(",")
        .map((text) => text.trim())
        .filter((text) => text !== ""),
  });
}

interface ItemsOptions<T> extends Common<readonly T[]> {
  readonly item: z.ZodType<T>;
  readonly allowed: string;
}

/** A list of objects; in the environment it is JSON. */
export function items<T>(options: ItemsOptions<T>): Setting<readonly T[]> {
  return setting(options, {
    allowed: options.allowed,
    schema: z.array(options.item).max(1_000),
    fromText: (input) => {
      try {
        return JSON.parse(input) as unknown;
      } catch {
        return input;
      }
    },
  });
}
