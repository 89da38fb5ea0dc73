/** What may leave a process: everything that does goes through here. */
import { isPasswordName, isSecretName, maskNamed } from "./redact-names.ts";
import { maskLogins, maskLoginsInJson } from "./redact-urls.ts";

export { isSecretName } from "./redact-names.ts";

/** What stands where a secret was. */
export const MASK = "***";

/** A URL within a URL has its own marks encoded; a login is never longer than this. */
const ENCODED_LOGIN = /(%3A%2F%2F)[^\s&"'<>]{1,256}(?=%40)/gi;

/** Whoever knows the long last part of an RTMP address may stream to it. */
const STREAM_KEY =
  /(\brtmp[a-z]{0,2}:\/\/[^\s/]{1,255}\/[^\s/]{1,64}\/)(?=[\w-]{0,127}\d)[\w-]{16,128}(?![\w-])/gi;

/** curl's way of giving a user and a password. */
const USER_OPTION = /^(?:-u|-U|--user|--proxy-user)$/;

/**
 * Masks passwords in text: in URLs of every shape, assignments, options and authorization headers.
 * Takes time in proportion to the text, whatever it holds.
 */
export function redact(text: string): string {
  const masked = text.includes("://") ? maskLogins(text, MASK) : text;
  const within = masked.includes("%") ? masked.replace(ENCODED_LOGIN, `$1${MASK}`) : masked;
  const shown = masked.includes("://") ? within.replace(STREAM_KEY, `$1${MASK}`) : within;
  return maskNamed(shown, MASK);
}

/**
 * Masks the logins in the URLs of a JSON text, which stays JSON. For what others have said and we
 * pass on: names and figures of theirs are left as they are.
 */
export function redactJson(json: string): string {
  return json.includes("://") ? maskLoginsInJson(json, MASK) : json;
}

/** Redacts every string within a JSON value, and whole values under secret names. */
export function redactDeep(value: unknown, name = ""): unknown {
  if (typeof value === "string") return isSecretName(name) && value !== "" ? MASK : redact(value);
  if (typeof value === "number" && isPasswordName(name)) return MASK;
  if (Array.isArray(value)) return redactArguments(value, name);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      redactDeep(inner, isPasswordName(name) ? name : key),
    ]),
  );
}

/** In an argument list, what follows `--password` is a secret too. */
function redactArguments(values: readonly unknown[], name: string): unknown[] {
  return values.map((value, index) => {
    const before = values[index - 1];
    if (typeof before !== "string") return redactDeep(value, name);
    if (USER_OPTION.test(before) && typeof value === "string")
      return value.replace(/:.*/s, `:${MASK}`);
    const isValue = /^--?\w/.test(before) && !before.includes("=");
    return redactDeep(value, isValue && isSecretName(before) ? before : name);
  });
}
