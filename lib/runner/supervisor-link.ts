/** The runner's end of what ties it to the enforcer that started it: an order, and files. */
import { AppError } from "../core/errors.ts";
import type { Report, RunOrder } from "../core/supervision.ts";
import { openReportFile } from "./report-file.ts";
import type { ReportFile } from "./report-file.ts";
import { openRunLog } from "./run-log.ts";
import type { RunLog } from "./run-log.ts";

const MAX_ORDER_CHARS = 4_194_304;

export interface SupervisorLink {
  /**
   * What to run. Rejects with an AppError where none comes: the enforcer is gone, or a person typed
   * this.
   */
  readonly order: Promise<RunOrder>;
  /** Kept until an enforcer reads it, redacted. Never throws. */
  report(report: Report): void;
  /** A line of the run's output, redacted, for `runbeat logs`. Never throws. */
  output(source: "out" | "err", line: string): void;
  /** Writes down what is left. */
  close(): void;
}

/** @throws AppError `invalid` where a person sits at the other end. */
export function openSupervisorLink(): SupervisorLink {
  if (process.stdin.isTTY) throw notSupervised("invalid");
  // Whoever is told to reconnect before it can must not die of it.
  process.on("SIGUSR2", () => {});
  // It is a file, which may be on a full disk.
  process.stderr.on("error", () => {});
  let reports: ReportFile | undefined;
  let log: RunLog | undefined;
  const order = readOrder().then((read) => {
    const { files } = read;
    if (files === undefined) return read;
    reports = openReportFile(files.reports, (error) => complain(files.reports, error));
    log = openRunLog(files.log, (error) => complain(files.log, error));
    return read;
  });
  return {
    order,
    report: (report) => reports?.report(report),
    output(source, line) {
      if (log === undefined) process.stderr.write(`${line}\n`);
      else log.write(source, line);
    },
    close() {
      reports?.close();
      log?.close();
    },
  };
}

async function readOrder(): Promise<RunOrder> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_ORDER_CHARS) break;
  }
  const order = parsed(text);
  if (order?.order !== "run") throw notSupervised("unavailable");
  return order;
}

/** Half an order is none: the enforcer died before it knew of this run. */
function parsed(text: string): RunOrder | undefined {
  try {
    return JSON.parse(text) as RunOrder;
  } catch {
    return undefined;
  }
}

function notSupervised(code: "invalid" | "unavailable"): AppError {
  const why = "--supervised is for runners that the enforcer starts";
  return new AppError(code, `${why}, and no order came on standard input: omit it`);
}

/** Where our own words go is as full as the disk: what else there is must do. */
function complain(path: string, error: Error): void {
  process.stderr.write(`${path} can't be written, and the run goes on: ${error.message}\n`);
}
