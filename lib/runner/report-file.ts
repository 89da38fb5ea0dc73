/** What a supervised run has to tell, for an enforcer that may be away just now. */
import { formatReport } from "../core/supervision.ts";
import type { Report } from "../core/supervision.ts";
import { BoundedFile } from "./bounded-file.ts";

const MAX_FILE_BYTES = 262_144;
/** What can't be written is kept for later, the newest of it. */
const MAX_PENDING = 500;
const RETRY_MS = 2_000;

export interface ReportFile {
  report(report: Report): void;
  /** Writes what is left, if that can be. */
  close(): void;
}

/** @param onError told once for each time in which nothing can be written. */
export function openReportFile(path: string, onError: (error: Error) => void): ReportFile {
  const file = new BoundedFile(path, MAX_FILE_BYTES);
  let pending: string[] = [];
  let seq = 0;
  let isFailing = false;
  let timer: NodeJS.Timeout | undefined;
  const write = (): void => {
    clearTimeout(timer);
    if (pending.length === 0) return;
    try {
      file.append(pending.join(""));
      pending = [];
      isFailing = false;
    } catch (error) {
      if (!isFailing) onError(error as Error);
      isFailing = true;
      timer = setTimeout(write, RETRY_MS).unref();
    }
  };
  return {
    report(report) {
      seq += 1;
      pending.push(formatReport({ seq, at: Date.now(), report }));
      if (pending.length > MAX_PENDING) pending.shift();
      write();
    },
    close() {
      write();
      clearTimeout(timer);
      file.close();
    },
  };
}
