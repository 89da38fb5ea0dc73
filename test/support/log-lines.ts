import { pino } from "pino";
import type { Logger } from "pino";

export interface LogLines {
  readonly log: Logger;
  /** What was logged so far, one JSON text a line. */
  readonly lines: readonly string[];
}

/** A log that a test can read. */
export function makeLog(): LogLines {
  const lines: string[] = [];
  return { log: pino({ level: "debug" }, { write: (line) => void lines.push(line) }), lines };
}
