/** The tables that the ALERTS stream is folded into. */
import type { FoldedColumns, TableShape } from "./tables.ts";

export interface AlertRow extends FoldedColumns {
  id: string;
  type: string;
  severity: string;
  /** What the members have in common. */
  group_name: string;
  title: string;
  state: "open" | "resolved";
  opened_at: number;
  /** When it was last told of. */
  updated_at: number;
  resolved_at: number | null;
  silenced: 0 | 1;
  /** JSON list. */
  members: string;
  member_count: number;
  revision: number;
}

export interface SilenceRow extends FoldedColumns {
  id: string;
  pattern: string;
  starts_at: number;
  ends_at: number;
  reason: string;
  by: string;
  created_at: number;
  lifted_at: number | null;
  lifted_by: string | null;
}

export const alertTable: TableShape<AlertRow> = {
  name: "alert",
  key: ["id"],
  columns: [
    "id",
    "type",
    "severity",
    "group_name",
    "title",
    "state",
    "opened_at",
    "updated_at",
    "resolved_at",
    "silenced",
    "members",
    "member_count",
    "revision",
    "first_seq",
    "last_seq",
  ],
  json: [],
  often: [],
  sometimes: [],
};

export const silenceTable: TableShape<SilenceRow> = {
  name: "silence",
  key: ["id"],
  columns: [
    "id",
    "pattern",
    "starts_at",
    "ends_at",
    "reason",
    "by",
    "created_at",
    "lifted_at",
    "lifted_by",
    "first_seq",
    "last_seq",
  ],
  json: [],
  often: [],
  sometimes: [],
};
