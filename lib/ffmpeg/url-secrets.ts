import { redact } from "../core/redact.ts";

/** Shorter passwords would be found in the middle of words; their whole login still is masked. */
const MIN_SECRET_CHARS = 4;

/** Whether the URL holds a login, or a password in its query. */
export function isSecretUrl(url: string): boolean {
  return /:\/\/.*@/.test(url) || (url.includes("://") && redact(url) !== url);
}

/**
 * The secret parts of a URL as FFmpeg may print them: its login whole, the password alone, and each
 * decoded. General redaction finds logins by their shape; a login with a quote in it has none.
 */
export function secretsOf(url: string): string[] {
  const login = /:\/\/(.*)@/s.exec(url)?.[1];
  if (login === undefined || login === "") return [];
  const password = login.slice(login.indexOf(":") + 1);
  const passwords = [password, decoded(password)].filter((one) => one.length >= MIN_SECRET_CHARS);
  return [...new Set([login, decoded(login), ...passwords])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
