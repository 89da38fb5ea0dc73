/** Reads what a run reports, each report once, also where the file was set aside meanwhile. */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { parseReport } from "../core/supervision.ts";
import type { WrittenReport } from "../core/supervision.ts";

export class ReportReader {
  readonly #path: string;
  #inode = 0;
  #size = 0;
  #seq: number;

  /** @param seq of the last report that was read before. */
  constructor(path: string, seq: number) {
    this.#path = path;
    this.#seq = seq;
  }

  /** What has come since, in order; costs little where nothing has. */
  read(): WrittenReport[] {
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    if (stats === undefined || (stats.ino === this.#inode && stats.size === this.#size)) return [];
    const reports = this.#readLines().flatMap((line) => parseReport(line) ?? []);
    const fresh = reports.filter(({ seq }) => seq > this.#seq);
    this.#seq = fresh.at(-1)?.seq ?? this.#seq;
    return fresh;
  }

  /** Opened before the one that was set aside is read: else what is set aside in between is missed. */
  #readLines(): string[] {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.#path, "r");
      const { ino } = fstatSync(descriptor);
      const before = ino === this.#inode ? "" : textOf(`${this.#path}.1`);
      const text = readFileSync(descriptor);
      this.#inode = ino;
      this.#size = text.length;
      return `${before}\n${text.toString("utf8")}`.split("\n");
    } catch {
      return [];
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
