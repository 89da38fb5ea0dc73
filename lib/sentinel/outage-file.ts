/**
 * What must outlive a sentinel that is killed while NATS is away: that it was the one that
 * watched, and what it told past the stream. It lies on this host, for there is nowhere else.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { alertBody, parseAlertRecord } from "../core/alert.ts";
import type { Alert } from "../core/alert.ts";

const OWNER_ONLY = 0o600;
const TYPE = "pipeline_down";

export interface OutageRecord {
  /** Epoch ms of this host; null while NATS answers. */
  readonly downAt: number | null;
  /** Told to the sinks, and its end is not. */
  readonly told: Alert | null;
  /** Names of the sinks that took it. */
  readonly reached: readonly string[];
}

const recordSchema = z.object({
  pid: z.number().int(),
  downAt: z.number().nullable(),
  told: z.unknown(),
  reached: z.array(z.string()),
});

export class OutageFile {
  readonly #path: string;
  #isOurs = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** What a sentinel left that did not end in order; undefined where none did. */
  takeOver(): OutageRecord | undefined {
    try {
      const text = readFileSync(this.#path, "utf8");
      const { pid, told, ...rest } = recordSchema.parse(JSON.parse(text));
      // Another sentinel on the same data folder.
      if (pid !== process.pid && isAlive(pid)) return undefined;
      this.#isOurs = true;
      return { ...rest, told: alertOf(told) };
    } catch {
      // None, or nothing that a sentinel has written.
      return undefined;
    }
  }

  /** A full disk must not end the sentinel: then only a kill would lose it. */
  write({ downAt, told, reached }: OutageRecord): void {
    const alert = told === null ? null : alertBody(told, "sentinel", told.openedAt);
    const text = JSON.stringify({ pid: process.pid, downAt, told: alert, reached });
    try {
      writeFileSync(`${this.#path}.new`, text, { mode: OWNER_ONLY });
      renameSync(`${this.#path}.new`, this.#path);
      this.#isOurs = true;
    } catch {
      // It is tried again with the next change.
    }
  }

  clear(): void {
    if (this.#isOurs) rmSync(this.#path, { force: true });
    this.#isOurs = false;
  }
}

function alertOf(body: unknown): Alert | null {
  if (body === null || body === undefined) return null;
  const record = parseAlertRecord(TYPE, new TextEncoder().encode(JSON.stringify(body)));
  return record?.kind === "alert" ? record.alert : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
