/** The output of a run as it lies in its file. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { createLineTail } from "../core/line-tail.ts";

const MAX_LAST_LINES = 20;
const TAIL_BYTES = 16_384;

/** A line of a run's output. What the process itself wrote, as when it crashed, has no time. */
export interface OutputLine {
  /** RFC 3339, or null. */
  readonly time: string | null;
  readonly source: "out" | "err";
  readonly text: string;
}

/** `2026-01-01T00:00:00.000Z err text`. */
export function parseOutputLine(line: string): OutputLine {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (out|err) (.*)$/s.exec(line);
  if (match === null) return { time: null, source: "err", text: line };
  const [, time = null, source, text = ""] = match;
  return { time, source: source === "out" ? "out" : "err", text };
}

/** The last 20 lines, redacted; empty where there are none. */
export function lastLines(path: string, secrets: readonly string[]): string[] {
  const tail = createLineTail({ maxLines: MAX_LAST_LINES, secrets });
  for (const line of endOfFile(path).split("\n")) tail.feed(`${parseOutputLine(line).text}\n`);
  return tail.lines();
}

function endOfFile(path: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    const { size } = fstatSync(descriptor);
    const from = Math.max(0, size - TAIL_BYTES);
    const data = Buffer.alloc(size - from);
    const text = data.toString("utf8", 0, readSync(descriptor, data, 0, data.length, from));
    return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } catch {
    return "";
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
