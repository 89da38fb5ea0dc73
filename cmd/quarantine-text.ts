/** Rejected messages as a person may see them: whatever they hold, it can't move the cursor. */
import { isUtf8 } from "node:buffer";
import { redact } from "../lib/core/redact.ts";
import { formatTime } from "../lib/core/time.ts";
import type { QuarantineEntry, QuarantineItem } from "../lib/operator/quarantine-reading.ts";
import { bytesText, countText } from "../lib/core/amount.ts";
import type { TerminalLooks } from "../lib/terminal/style.ts";
import { harmless, tableLines } from "../lib/terminal/table.ts";

/** More of a message is not printed. */
const MAX_SHOWN_BYTES = 4_096;
const BYTES_PER_LINE = 16;

/** What a terminal could take for an order, and what turns text around. */
const UNSAFE = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g;

/** A message as JSON, in the form of the read API. */
export function itemJson(item: QuarantineItem): object {
  const { rejected, resolution, payload } = item;
  return {
    seq: item.seq,
    reason: rejected.reason,
    subject: rejected.subject,
    time: formatTime(item.timeMs),
    bytes: rejected.bytes,
    payload: Buffer.from(payload).toString("base64"),
    payload_text: isUtf8(payload) ? redact(Buffer.from(payload).toString("utf8")) : null,
    message: rejected.message,
    headers: rejected.headers,
    source: {
      stream: rejected.sourceStream,
      seq: rejected.sourceSeq,
      time: rejected.sourceTime,
    },
    state: item.state,
    resolved_by: resolution?.by ?? null,
    resolved_at: resolution === undefined ? null : formatTime(resolution.timeMs),
  };
}

/** The list, newest first, with a line below it where more was found than is shown. */
export function listLines(
  entries: readonly QuarantineEntry[],
  found: number,
  looks: TerminalLooks,
): string[] {
  if (found === 0) return ["Nothing here: every message could be folded."];
  const columns = [
    { title: "SEQ", align: "right" as const },
    { title: "PUT HERE" },
    { title: "REASON" },
    { title: "STATE" },
    { title: "BYTES", align: "right" as const },
    { title: "SUBJECT", min: 20 },
    { title: "WHAT IS WRONG", min: 20 },
  ];
  const rows = entries.map(({ seq, timeMs, rejected, state }) => [
    String(seq),
    formatTime(timeMs),
    rejected.reason,
    state,
    countText(rejected.bytes),
    harmless(rejected.subject),
    harmless(rejected.message),
  ]);
  const more = found - entries.length;
  return [
    ...tableLines(columns, rows, looks),
    ...(more > 0 ? ["", `${countText(more)} older ones: --limit ${found} shows all`] : []),
  ];
}

/** One message with everything that is known of it. */
export function itemLines(item: QuarantineItem): string[] {
  const { rejected, resolution, payload } = item;
  const facts = [
    ["message", String(item.seq)],
    ["state", item.state],
    ...(resolution === undefined
      ? []
      : [[item.state, `${formatTime(resolution.timeMs)} by ${harmless(resolution.by)}`]]),
    ["reason", rejected.reason],
    ["what", harmless(rejected.message)],
    ["subject", harmless(rejected.subject)],
    ["came from", `${rejected.sourceStream}, message ${rejected.sourceSeq}`],
    ["stored there", rejected.sourceTime],
    ["put here", formatTime(item.timeMs)],
    ["bytes", bytesFact(item)],
    ...Object.entries(rejected.headers).flatMap(([name, values]) =>
      values.map((value) => ["header", harmless(`${name}: ${value}`)]),
    ),
  ];
  const width = Math.max(...facts.map(([name = ""]) => name.length));
  return [
    ...facts.map(([name = "", value = ""]) => `${name.padEnd(width)}  ${value}`),
    "",
    ...payloadLines(payload),
  ];
}

function bytesFact({ rejected, payload }: QuarantineItem): string {
  const cut =
    payload.length < rejected.bytes ? `, the first ${countText(payload.length)} kept` : "";
  return `${countText(rejected.bytes)}${cut}`;
}

/** Text with what is unsafe escaped and passwords masked; bytes that are no text as hexadecimal numbers. */
export function payloadLines(payload: Uint8Array): string[] {
  if (payload.length === 0) return ["(empty)"];
  const isText = isUtf8(payload);
  // Before it is cut: a password must not be cut in two.
  const whole = isText ? Buffer.from(redact(Buffer.from(payload).toString("utf8"))) : payload;
  const shown = whole.subarray(0, MAX_SHOWN_BYTES);
  const left = whole.length - shown.length;
  return [
    ...(isText ? textLines(shown) : hexLines(shown)),
    ...(left > 0 ? ["", `${bytesText(left)} more: --out FILE writes it all`] : []),
  ];
}

function textLines(bytes: Uint8Array): string[] {
  // A character that the cut went through.
  const text = Buffer.from(bytes)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return text
    .replaceAll(UNSAFE, (character) => escaped(character))
    .split("\n")
    .map((line) => `  ${line}`);
}

function escaped(character: string): string {
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_LINE) {
    const row = [...bytes.subarray(at, at + BYTES_PER_LINE)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCodePoint(byte) : "."));
    const offset = at.toString(16).padStart(8, "0");
    lines.push(`  ${offset}  ${hex.padEnd(BYTES_PER_LINE * 3)} ${text.join("")}`);
  }
  return lines;
}
