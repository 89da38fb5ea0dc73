/**
 * Finds the logins in URLs. People paste passwords as they are, so what RFC 3986 says of `/`, `?`,
 * `#` and `@` in a login does not help: where a login could go on, it is taken to go on, for a
 * host too little does less harm than a password too much. One pass, whatever the text.
 */

const MAX_SCHEME_CHARS = 32;

/** There a path with an `@` is rare, and a short number after the user may be a password. */
const STREAM_SCHEMES = new Set(["rtsp", "rtsps", "rtspu", "rtmp", "rtmps", "rtmpe", "srt", "rtp"]);

/** What ends a URL that begins after it, where the text goes on as below. */
const CLOSERS: Readonly<Record<string, string>> = { '"': '"', "'": "'", "`": "`", "<": ">" };
const AFTER_CLOSER = /[\s,:;.)\]}>"'`\\]/;

/** Stands between two URLs that no white space parts. */
const SEPARATOR = /[\s,;|"'`=&?<>([{]/;

const HOST_BEGINS = /[\w[.\-%\u0080-\uffff]/;

/** A stretch of text in which a login must end. */
interface Region {
  readonly end: number;
  /** Of the `@` that a login in it would end at; -1 where there is none. */
  readonly lastAt: number;
}

/** Tells where the text that a URL could reach into ends. */
type FindEnd = (text: string, schemeAt: number, start: number) => number;

/** Puts the mask in the place of every login. */
export function maskLogins(text: string, mask: string): string {
  return maskWithin(text, mask, endInText);
}

/** As {@link maskLogins} in JSON, which stays JSON: no login goes beyond the string that it is in. */
export function maskLoginsInJson(json: string, mask: string): string {
  return maskWithin(json, mask, endInJson);
}

function maskWithin(text: string, mask: string, findEnd: FindEnd): string {
  let shown = "";
  let from = 0;
  let region: Region = { end: 0, lastAt: -1 };
  for (let at = text.indexOf("://"); at >= 0;) {
    const start = at + 3;
    const schemeAt = schemeStart(text, at);
    // URLs within one region share it: looking for its end again would make the work quadratic.
    if (start > region.end) region = regionUpTo(text, start, findEnd(text, schemeAt, start));
    const end = loginEnd(text, text.slice(schemeAt, at).toLowerCase(), start, region);
    if (end > start) {
      shown += text.slice(from, start) + mask;
      from = end;
    }
    at = text.indexOf("://", Math.max(start, end));
  }
  return from === 0 ? text : shown + text.slice(from);
}

function schemeStart(text: string, end: number): number {
  let at = end;
  while (at > 0 && end - at < MAX_SCHEME_CHARS && /[a-z0-9+.-]/i.test(text.charAt(at - 1))) at--;
  return at;
}

function regionUpTo(text: string, start: number, end: number): Region {
  const lastAt = lastLoginAt(text.slice(start, end));
  return { end, lastAt: lastAt < 0 ? -1 : start + lastAt };
}

/** The last `@` that a host follows, or else the last. */
function lastLoginAt(text: string): number {
  const last = text.lastIndexOf("@");
  let at = last;
  while (at > 0 && !HOST_BEGINS.test(text.charAt(at + 1))) at = text.lastIndexOf("@", at - 1);
  return at < 0 ? last : at;
}

/**
 * A quote ends the URL where the text goes on as after one. But a password may hold a quote: where
 * that would leave the beginning of a login, the URL goes on up to the next white space.
 */
function endInText(text: string, schemeAt: number, start: number): number {
  const closer = CLOSERS[text.charAt(schemeAt - 1)];
  const end = scanForEnd(text, start, (char, at) =>
    char === closer ? AFTER_CLOSER.test(text.charAt(at + 1) || " ") : isEndOfJsonText(text, at),
  );
  return isHalfLogin(text.slice(start, end)) ? scanForEnd(text, start, () => false) : end;
}

/** `"` as it stands before the next member or the end of an object or list. */
function isEndOfJsonText(text: string, at: number): boolean {
  return text.charAt(at) === '"' && /^"(?:,["{[]|[}\]])/.test(text.slice(at, at + 3));
}

/** `user:password` without a host; a host has nothing but a number after its colon. */
function isHalfLogin(text: string): boolean {
  return !text.includes("@") && /^[^/?#:[\]]+:(?!\d{1,5}(?:[/?#]|$))/.test(text);
}

function scanForEnd(
  text: string,
  start: number,
  isCloser: (char: string, at: number) => boolean,
): number {
  const notable = /[\s:"'`>]/g;
  notable.lastIndex = start;
  for (let found = notable.exec(text); found !== null; found = notable.exec(text)) {
    const [char] = found;
    const at = found.index;
    if (char === ":") {
      const next = text.startsWith("://", at) ? schemeStart(text, at) : at;
      if (next > start && next < at && SEPARATOR.test(text.charAt(next - 1))) return next;
    } else if (char.trim() === "" || isCloser(char, at)) return at;
  }
  return text.length;
}

/** The quote that ends the string: one that is not escaped. */
function endInJson(text: string, _schemeAt: number, start: number): number {
  return scanForEnd(text, start, (char, at) => char === '"' && !isEscaped(text, at));
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charAt(before) === "\\") before--;
  return (at - before) % 2 === 0;
}

/** Where the login ends, at its `@`; -1 where there is none. */
function loginEnd(text: string, scheme: string, start: number, { end, lastAt }: Region): number {
  if (lastAt < start) return -1;
  const stop = text.slice(start, end).search(/[/?#]/);
  const authority = stop < 0 ? text.slice(start, end) : text.slice(start, start + stop);
  if (authority.includes("@")) return lastAt;
  const colon = authority.indexOf(":");
  if (colon < 1 || authority.startsWith("[")) return -1;
  return isHostAndPort(scheme, authority) ? -1 : lastAt;
}

/** Whether it is no user with the beginning of a password. */
function isHostAndPort(scheme: string, authority: string): boolean {
  const [, host = ""] = /^([^:]*):\d{1,5}$/.exec(authority) ?? [];
  if (host === "") return false;
  return !STREAM_SCHEMES.has(scheme) || host.includes(".") || host === "localhost";
}
