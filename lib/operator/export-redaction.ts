/**
 * What an export leaves out when it is to be shown to others: passwords, keys and logins become
 * the mask, and each host gets another name, the same one throughout the file, so that what
 * happened on which machine stays clear. Names of runners stay: without them nothing is.
 */
import { isUtf8 } from "node:buffer";
import { UNKNOWN_HOST } from "../core/heartbeat.ts";
import { redact, redactDeep } from "../core/redact.ts";
import type { ExportedMessage, HeaderPair } from "./export-format.ts";

/** Shorter names are replaced only where they stand alone: within text they could be any word. */
const MIN_CHARS_IN_TEXT = 3;
const MAX_HOSTS = 10_000;
/** Must agree with the subject, or the message could not be folded. */
const KEPT_KEYS: ReadonlySet<string> = new Set(["runner"]);

/** Masks one message after the other, in their order. */
export class ExportRedaction {
  readonly #pseudonyms = new Map<string, string>();
  #inText: RegExp | undefined;

  apply(message: ExportedMessage): ExportedMessage {
    const data = this.#body(message.data);
    return { ...message, data, headers: message.headers.map((pair) => this.#header(pair)) };
  }

  #body(data: Uint8Array): Uint8Array {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const encoding = isUtf8(bytes) ? "utf8" : "latin1";
    const text = bytes.toString(encoding);
    const value = parse(text);
    if (typeof value !== "object" || value === null) {
      return Buffer.from(this.#text(redact(text)), encoding);
    }
    this.#learn(value);
    return Buffer.from(JSON.stringify(this.#renamed(redactDeep(value))), "utf8");
  }

  /** Some are percent-encoded, so that any text can stand in them. */
  #header([name, value]: HeaderPair): HeaderPair {
    const masked = redactDeep({ [name]: value }) as Record<string, string>;
    const plain = decoded(masked[name] ?? "");
    const shown = this.#text(redact(plain));
    return [name, shown === plain ? (masked[name] ?? "") : encodeURIComponent(shown)];
  }

  /** Hosts are those that are named as such. */
  #learn(value: object): void {
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === "object" && inner !== null) this.#learn(inner as object);
      else if ((key === "host" || key === "hostname") && typeof inner === "string") {
        this.#name(inner);
      }
    }
  }

  #name(host: string): void {
    const isNamed = host === "" || host === UNKNOWN_HOST || this.#pseudonyms.has(host);
    if (isNamed || this.#pseudonyms.size >= MAX_HOSTS) return;
    this.#pseudonyms.set(host, `host-${this.#pseudonyms.size + 1}`);
    this.#inText = undefined;
  }

  #renamed(value: unknown): unknown {
    if (typeof value === "string") return this.#text(value);
    if (Array.isArray(value)) return value.map((inner) => this.#renamed(inner));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        KEPT_KEYS.has(key) ? inner : this.#renamed(inner),
      ]),
    );
  }

  #text(text: string): string {
    const alone = this.#pseudonyms.get(text);
    if (alone !== undefined || this.#pseudonyms.size === 0 || text === "") return alone ?? text;
    this.#inText ??= anyOf([...this.#pseudonyms.keys()]);
    return text.replace(this.#inText, (host) => this.#pseudonyms.get(host) ?? host);
  }
}

/** Longest first, so that `edge-1.local` is not taken for `edge-1`. */
function anyOf(hosts: readonly string[]): RegExp {
  const words = hosts
    .filter(({ length }) => length >= MIN_CHARS_IN_TEXT)
    .toSorted((a, b) => b.length - a.length)
    .map((host) => host.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return words.length === 0 ? /$^/ : new RegExp(`(?<![\\w-])(?:${words.join("|")})(?![\\w-])`, "g");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
