import { MASK, redact } from "./redact.ts";

const DEFAULT_LINES = 50;
const MAX_LINE_CHARS = 1_000;

/** The last lines of a text stream, redacted. */
export interface LineTail {
  feed(text: string): void;
  /** Counts what came without a line end as a line. */
  flush(): void;
  lines(): string[];
}

export interface LineTailOptions {
  /** Lines that are kept; 50 unless given. */
  readonly maxLines?: number;
  /** Texts that are known to be secret here, masked beside what redaction finds by itself. */
  readonly secrets?: readonly string[];
  /** Told each line, redacted. */
  readonly onLine?: (line: string) => void;
}

/** Keeps the last lines, bounded in number and length. */
export function createLineTail(options: LineTailOptions = {}): LineTail {
  const { maxLines = DEFAULT_LINES, secrets = [], onLine = () => {} } = options;
  const masked = (line: string) =>
    secrets.reduce((text, secret) => text.replaceAll(secret, MASK), line);
  const kept: string[] = [];
  let rest = "";
  const keep = (line: string) => {
    const shown = redact(masked(line.trimEnd())).slice(0, MAX_LINE_CHARS);
    if (shown === "") return;
    kept.push(shown);
    if (kept.length > maxLines) kept.shift();
    onLine(shown);
  };
  return {
    feed(text) {
      const lines = (rest + text).split(/[\r\n]/);
      // Cut only here, before it is redacted: a password must not be cut in two.
      rest = lines.pop() ?? "";
      for (const line of lines) keep(line);
      if (rest.length > MAX_LINE_CHARS * 8) {
        keep(rest);
        rest = "";
      }
    },
    flush() {
      keep(rest);
      rest = "";
    },
    lines: () => [...kept],
  };
}
