/** How a run ended: as it told itself, or as it looks from outside. */
import type { ChildEnd } from "../core/child-group.ts";
import { MAX_ERROR_CHARS } from "../core/heartbeat.ts";
import type { Report } from "../core/supervision.ts";
import type { RunEnd, RunRecord } from "./run-files.ts";

export interface Outside {
  /** Of the supervised process; undefined where nobody could see it. */
  readonly end: ChildEnd | undefined;
  readonly isOtherBoot: boolean;
  /** Its last words. */
  readonly lines: readonly string[];
  /** Epoch ms. */
  readonly now: number;
}

/** What there is to report of a run that told nothing of its end. */
export function unseenEnd(
  { beats, process, run }: RunRecord,
  { end, isOtherBoot, lines, now }: Outside,
): Report {
  const ranSec = Math.max(0, now - run) / 1000;
  if (beats === null) {
    const how = end === undefined ? "nobody saw why" : endText(end);
    const said = lines.at(-1) ?? "nothing was said";
    return { event: "failed", message: `${how}: ${said}`.slice(0, MAX_ERROR_CHARS) };
  }
  if (beats.pid === process.pid && end !== undefined) {
    const { code, signal } = end;
    return { event: "exited", exit_code: code, signal, ran_sec: ranSec, stderr: lines };
  }
  const who = beats.pid === process.pid ? "it" : "its wrapper";
  const how =
    end === undefined ? "is gone, and nobody saw how it ended" : `ended by ${endText(end)}`;
  const reason = isOtherBoot ? "the host was started anew" : `${who} ${how}`;
  return { event: "lost", reason, ran_sec: ranSec };
}

function endText({ code, signal }: ChildEnd): string {
  return signal ?? `exit code ${code ?? "unknown"}`;
}

/** The end as the next decision sees it. */
export function endOf(last: Report | null): Omit<RunEnd, "at"> {
  if (last?.event === "exited") {
    const { signal, exit_code: code, ran_sec: ranSec, permanent = false } = last;
    return { ranSec, reason: signal ?? `exit code ${code ?? "unknown"}`, isPermanent: permanent };
  }
  if (last?.event === "lost")
    return { ranSec: last.ran_sec, reason: last.reason, isPermanent: false };
  const isFailure = last?.event === "failed";
  const message = isFailure ? last.message : "nobody saw why";
  const isPermanent = isFailure && last.permanent === true;
  return { ranSec: 0, reason: `could not be started: ${message}`, isPermanent };
}
