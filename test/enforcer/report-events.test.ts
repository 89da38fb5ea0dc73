import { describe, expect, it } from "vitest";
import { eventBody } from "../../lib/core/event.ts";
import type { Report } from "../../lib/core/supervision.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { eventOfReport } from "../../lib/enforcer/report-events.ts";

const runner = parseRunnerId("process/a/default");
const process = { pid: 7, startedAt: 1_000 };

function eventOf(report: Report, of: typeof process | null = process) {
  return eventOfReport({ runner, id: "id", at: 2_000, process: of, report }, "edge-1");
}

describe("the event that a report is", () => {
  it("has the last lines of both outputs of a run that ended", () => {
    const end = { event: "exited", exit_code: 3, signal: null, ran_sec: 1 } as const;
    const named = { host: "edge-1", pid: 7, started_at: 1_000 };
    const told = { exit_code: 3, signal: null, ran_sec: 1 };
    expect(eventOf({ ...end, stderr: ["bad"], stdout: ["good"] })).toEqual({
      kind: "event",
      runner,
      msgId: "id",
      type: "process_exited",
      data: { ...named, ...told, stderr: ["bad"], stdout: ["good"] },
    });
    expect(eventOf({ ...end, stderr: [], stdout: [] })?.data).toEqual({
      ...named,
      ...told,
      stderr: [],
    });
  });

  it("is none where there was no process to tell of", () => {
    expect(eventOf({ event: "lost", reason: "gone", ran_sec: 1 }, null)).toBeUndefined();
    expect(eventOf({ event: "failed", message: "no such folder" })).toBeUndefined();
  });

  it.each<[Report, string]>([
    [{ event: "spawned", pid: 7, started_at: 1_000 }, "process_spawned"],
    [{ event: "adopted" }, "process_adopted"],
    [{ event: "stopping", reason: "asked to" }, "process_stopping"],
    [{ event: "lost", reason: "gone", ran_sec: 1 }, "process_lost"],
  ])("names its process and can be published: %o", (report, type) => {
    const event = eventOf(report);
    expect(event?.type).toBe(type);
    const body = event && eventBody(event.type, "enforcer@edge-1", 2_000, event.data as never);
    expect(body).toMatchObject({ host: "edge-1", pid: 7, started_at: 1_000 });
  });
});
