/** What a driver tells of a run, as events. */
import type { EventAction } from "../core/decide-action.ts";
import { cameraEvent } from "../core/supervision.ts";
import type { Report } from "../core/supervision.ts";
import type { RunReport } from "./driver.ts";

type Told = Pick<EventAction, "type" | "data">;

/** The event that a report is; undefined where it is none. */
export function eventOfReport(told: RunReport, host: string): EventAction | undefined {
  const { runner, id, report, process } = told;
  const named = process && { host, pid: process.pid, started_at: process.startedAt };
  const event = named === null ? ofOthers(report) : (ofProcess(report, named) ?? ofOthers(report));
  // The compiler can't see that type and data belong together.
  return event && ({ kind: "event", runner, msgId: id, ...event } as EventAction);
}

interface Named {
  readonly host: string;
  readonly pid: number;
  readonly started_at: number;
}

function ofProcess(report: Report, named: Named): Told | undefined {
  switch (report.event) {
    case "spawned": {
      const { argv = [], env = {}, attempt = 0 } = report;
      return { type: "process_spawned", data: { ...named, argv: [...argv], env, attempt } };
    }
    case "adopted":
      return { type: "process_adopted", data: named };
    case "stopping":
      return { type: "process_stopping", data: { ...named, reason: report.reason } };
    case "lost":
      return { type: "process_lost", data: { ...named, reason: report.reason } };
    case "exited": {
      const { exit_code, signal, ran_sec, stderr, stdout = [] } = report;
      const said = { stderr: [...stderr], ...(stdout.length === 0 ? {} : { stdout: [...stdout] }) };
      const data = { ...named, exit_code, signal, ran_sec, ...said };
      return { type: "process_exited", data };
    }
    case "failed":
    case "camera":
    case "throttle":
    case "check":
      return undefined;
  }
}

function ofOthers(report: Report): Told | undefined {
  switch (report.event) {
    case "camera": {
      const type = cameraEvent(report.from, report.to);
      if (type === undefined) return undefined;
      return type === "camera_online"
        ? { type, data: {} }
        : { type, data: { reason: report.reason } };
    }
    case "throttle": {
      const type = report.on ? "throttle_started" : "throttle_stopped";
      return { type, data: { reason: report.reason } };
    }
    case "check": {
      const { check, message, value } = report;
      const type = report.ok ? "check_recovered" : "check_failed";
      return { type, data: { check, message, value } };
    }
    case "spawned":
    case "adopted":
    case "stopping":
    case "lost":
    case "exited":
    case "failed":
      return undefined;
  }
}
