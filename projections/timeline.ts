import { timelineTable } from "../lib/store/tables.ts";
import type { TimelineRow } from "../lib/store/tables.ts";
import type { Projection } from "./projection.ts";

/** One row per event. */
export const timeline: Projection<"events", TimelineRow> = {
  name: "timeline",
  version: 1,
  stream: "events",
  table: timelineTable,
  tellsStatus: false,
  appends: true,
  partlyKnown: { given: [], always: [], whenSaid: [] },
  key: (message) => String(message.seq),
  keyValues: (message) => [message.seq],
  evolve: (_row, { runner, event, seq, time }) => ({
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
    stream_seq: seq,
    time,
    type: event.type,
    by: event.by,
    at: event.at,
    data: event.data,
  }),
};
