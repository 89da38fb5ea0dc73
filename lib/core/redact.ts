/** What stands where a secret was. */
export const MASK = "***";

/** Names of settings, variables and headers whose value is a secret. */
const SECRET_NAME =
  /pass(word|wd|phrase)?|secret|token|api[-_]?key|(^|[-_])key($|[-_])|credential|auth(?!or)|cookie|private/i;

/** `scheme://user:password@host`: up to the last `@` before a `/`, `?`, `#`, quote or white space. */
const USERINFO = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/?#"'<>]*)@/gi;

/** The same with an unencoded `/`, `?` or `#` in the password, as people paste them. */
const ODD_USERINFO = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/:@"'<>]+:[^\s@"'<>]*)@(?=[\w[.-])/gi;

/** `password=…`, `token: …`, `--api-key …` in free text. */
const ASSIGNED =
  /((?:[\w-]*(?:password|passwd|passphrase|secret|token|api[-_]?key|credential)[\w-]*)\s*(?:=|:\s)\s*)("[^"]*"|'[^']*'|[^\s&,;"']+)/gi;

const BEARER = /\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}/g;

/**
 * Masks passwords in text: in URLs of every shape, assignments and authorization headers. The one
 * function that everything passes through that leaves a process.
 */
export function redact(text: string): string {
  if (!text.includes("://") && !/[=:\s]/.test(text)) return text;
  return text
    .replace(ODD_USERINFO, `$1${MASK}@`)
    .replace(USERINFO, `$1${MASK}@`)
    .replace(BEARER, `$1${MASK}`)
    .replace(ASSIGNED, `$1${MASK}`);
}

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Redacts every string within a JSON value, and whole values under secret names. */
export function redactDeep(value: unknown, name = ""): unknown {
  if (typeof value === "string") return isSecretName(name) && value !== "" ? MASK : redact(value);
  if (Array.isArray(value)) return redactArguments(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, redactDeep(inner, key)]),
  );
}

/** In an argument list, what follows `--password` is a secret too. */
function redactArguments(values: readonly unknown[]): unknown[] {
  return values.map((value, index) => {
    const before = values[index - 1];
    const isValue = typeof before === "string" && /^--?\w/.test(before) && !before.includes("=");
    return redactDeep(value, isValue && isSecretName(before) ? before : "");
  });
}
