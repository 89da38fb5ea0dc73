/** Reads what the server wrote to its own log. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

const MAX_TAIL_BYTES = 8_192;
const TAIL_LINES = 6;
/** `[pid] date time ` before each line. */
const STAMP = /^\[\d+\] \S+ \S+ /;

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The end of the file, from `from` on; all of it where the file was turned over since. */
export function readFrom(file: string, from: number): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const start = Math.max(size < from ? 0 : from, size - MAX_TAIL_BYTES);
    const bytes = Buffer.alloc(size - start);
    readSync(descriptor, bytes, 0, bytes.length, start);
    return bytes.toString("utf8");
  } catch {
    return "";
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The last lines that are more than information, on one line. */
export function lastLines(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.replace(STAMP, "").trim())
    .filter((line) => line !== "" && !line.startsWith("[INF]"));
  return lines.slice(-TAIL_LINES).join(" | ");
}
