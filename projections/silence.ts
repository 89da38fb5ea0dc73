import { silenceTable } from "../lib/store/alert-tables.ts";
import type { SilenceRow } from "../lib/store/alert-tables.ts";
import type { AlertsMessage, Projection } from "./projection.ts";

function idOf({ record }: AlertsMessage): string | undefined {
  if (record.kind === "silence") return record.silence.id;
  return record.kind === "unsilence" ? record.id : undefined;
}

/** One row per silence: of whom, how long, why, and who lifted it before its end. */
export const silence: Projection<"alerts", SilenceRow> = {
  name: "silence",
  version: 1,
  stream: "alerts",
  table: silenceTable,
  tellsStatus: false,
  appends: false,
  partlyKnown: { given: [], always: ["last_seq"], whenSaid: ["lifted_at", "lifted_by"] },
  key: idOf,
  keyValues: (message) => [idOf(message) ?? ""],
  evolve: (row, { record, seq, time }) => {
    if (record.kind === "unsilence") {
      if (row === undefined || row.lifted_at !== null) return undefined;
      return { ...row, lifted_at: time, lifted_by: record.by, last_seq: seq };
    }
    if (record.kind !== "silence" || row !== undefined) return undefined;
    const { id, pattern, from, until, reason, by } = record.silence;
    return {
      id,
      pattern,
      starts_at: from,
      ends_at: until,
      reason,
      by,
      created_at: time,
      lifted_at: null,
      lifted_by: null,
      first_seq: seq,
      last_seq: seq,
    };
  },
};
