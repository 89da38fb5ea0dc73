/** Finds secrets by the name that stands before them: `password=…`, `"token": "…"`, `X-Key: …`. */

/** Names of settings, variables and headers whose value is a secret. */
const SECRET_NAME =
  /pass(word|wd|phrase|code)|(^|[^a-z])pass($|[^a-z])|pwd|secret|token|api[-_]?key|(^|[-_])key($|[-_])|credential|auth(?!or)|authorization|cookie|private/i;

/** Every shell has these. */
const WORKING_FOLDER = /^(OLD)?PWD$/;

/** A number under such a name is a secret too; under others it may be a count. */
const PASSWORD_NAME = /pass(word|wd|phrase|code)|secret/i;

/**
 * Every quantifier before the value is bounded, so that a name is never looked for twice over the
 * same long text. Plurals with a number are counts: `tokens: 512`.
 */
const NAME =
  "(?:pass(?:word|wd|phrase|code)|(?<![a-z])pass(?![a-z])|pwd|secret|" +
  "token(?!s[\"']?\\s{0,4}[:=]\\s{0,4}\\d)|(?:api|access|private|[-_.])[-_]?key|credential|" +
  "(?<=[?&;])(?:key|sig|signature|auth|session|sid)(?==))";
const QUOTE = "\\\\{0,3}[\"']";
/** A quoted value ends at the quote that it began with; where that is missing, with the line. */
const VALUE = `(${QUOTE})(?:(?!\\3)(?:\\\\.|[^\\r\\n]))*|[^\\s&,;"'\\\\)\\]}<>]+`;
const ASSIGNED = new RegExp(
  `(${NAME}[\\w-]{0,40}(?:(?:${QUOTE})?\\s{0,4}=>?\\s{0,4}|${QUOTE}\\s{0,4}:\\s{0,4}|:\\s{1,4}|:(?=\\S)))` +
    `(?!(?:null|true|false)(?![\\w-]))(${VALUE})`,
  "gi",
);

/** Of a key in JSON. A bare value becomes a text there: three stars alone would be no JSON. */
const JSON_KEY_END = /(\\{0,3}["'])\s{0,4}:\s{0,4}$/;

/** `--password hunter2` in a command line. */
const OPTION =
  /((?<![\w-])--?[\w-]{0,40}(?:password|passwd|passphrase|secret|token|api-?key)\s{1,4})(?!-)([^\s"']+)/gi;

/** Words after these are a secret, unless they are plain prose: "Basic authentication". */
const SCHEME =
  /\b((?:Bearer|Basic)\s{1,4})(?![a-z]{1,40}(?![A-Za-z0-9._~+/=-]))[A-Za-z0-9._~+/=-]{6,}/g;
const DIGEST = /\b(Digest\s{1,4})(?=username=)[^\r\n]+/g;
const HEADER =
  /(\b(?:proxy-)?authorization\\{0,3}["']?\s{0,4}[:=]\s{0,4}\\{0,3}["']?(?:(?:Bearer|Basic)\s{1,4})?)(?!\s|Digest|Bearer|Basic)([^\s"'\\,]+)/gi;
const COOKIE = /(\b(?:set-)?cookie\\{0,3}["']?:\s{0,4})([^\s"'\\][^\r\n"'\\]*)/gi;

/** Whether any of the above can be in a text: most texts are short and harmless. */
const MAY_HAVE_SECRET =
  /pass|pwd|secret|token|key|credential|bearer|basic|digest|cookie|auth|si[dg]/i;

/** Puts the mask in the place of every value with a secret's name. */
export function maskNamed(text: string, mask: string): string {
  if (!MAY_HAVE_SECRET.test(text)) return text;
  return text
    .replace(DIGEST, `$1${mask}`)
    .replace(HEADER, `$1${mask}`)
    .replace(SCHEME, `$1${mask}`)
    .replace(COOKIE, `$1${mask}`)
    .replace(ASSIGNED, (whole: string, name: string, value: string, quote?: string) => {
      if (quote !== undefined) return `${name}${quote}${mask}`;
      const [, jsonQuote] = JSON_KEY_END.exec(name) ?? [];
      if (jsonQuote === undefined) return `${name}${mask}`;
      if (/^[\d.]+$/.test(value) && !isPasswordName(name)) return whole;
      return `${name}${jsonQuote}${mask}${jsonQuote}`;
    })
    .replace(OPTION, `$1${mask}`);
}

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !WORKING_FOLDER.test(name);
}

/** Whether even a number under that name is a secret. */
export function isPasswordName(name: string): boolean {
  return PASSWORD_NAME.test(name);
}
