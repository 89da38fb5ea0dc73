import { MAX_NAMED_MEMBERS } from "../lib/core/alert.ts";
import type { Alert } from "../lib/core/alert.ts";
import { alertTable } from "../lib/store/alert-tables.ts";
import type { AlertRow } from "../lib/store/alert-tables.ts";
import type { AlertsMessage, Projection } from "./projection.ts";

function rowOf(alert: Alert, { seq, time }: AlertsMessage, firstSeq: number): AlertRow {
  return {
    id: alert.id,
    type: alert.type,
    severity: alert.severity,
    group_name: alert.group,
    title: alert.title,
    state: alert.action === "resolved" ? "resolved" : "open",
    opened_at: alert.openedAt,
    updated_at: time,
    resolved_at: alert.resolvedAt,
    silenced: isSilenced(alert) ? 1 : 0,
    members: JSON.stringify(alert.members.slice(0, MAX_NAMED_MEMBERS)),
    member_count: alert.memberCount,
    revision: alert.revision,
    first_seq: firstSeq,
    last_seq: seq,
  };
}

function isSilenced({ members }: Alert): boolean {
  return members.length > 0 && members.every(({ silenced }) => silenced);
}

/** One row per alert, as its last message tells it. */
export const alert: Projection<"alerts", AlertRow> = {
  name: "alert",
  version: 1,
  stream: "alerts",
  table: alertTable,
  tellsStatus: false,
  appends: false,
  partlyKnown: {
    given: [],
    always: alertTable.columns.filter((column) => column !== "first_seq"),
    whenSaid: [],
  },
  key: ({ record }) => (record.kind === "alert" ? record.alert.id : undefined),
  keyValues: ({ record }) => [record.kind === "alert" ? record.alert.id : ""],
  evolve: (row, message) => {
    const { record, seq } = message;
    if (record.kind !== "alert") return undefined;
    // Told again by one who did not know of the later message.
    if (row !== undefined && record.alert.revision < row.revision) return undefined;
    return rowOf(record.alert, message, row?.first_seq ?? seq);
  },
};
