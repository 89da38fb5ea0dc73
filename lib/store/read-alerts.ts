/** Alerts and silences, newest first. */
import type { AlertMember } from "../core/alert.ts";
import type { AlertModels, AlertView, SilenceView } from "../core/alert-views.ts";
import type { Page } from "../core/read-models.ts";
import type { AlertRow, SilenceRow } from "./alert-tables.ts";
import type { SqliteDatabase } from "./open.ts";

type WithoutSeq<Result> =
  Result extends Page<infer Item, infer Position> ? Omit<Page<Item, Position>, "seq"> : never;

export interface AlertReader {
  alerts(query: Parameters<AlertModels["alerts"]>[0]): WithoutSeq<Page<AlertView, number>>;
  silences(query: Parameters<AlertModels["silences"]>[0]): WithoutSeq<Page<SilenceView, number>>;
}

const ANY = (column: string): string =>
  `(@${column} = '[]' or ${column} in (select value from json_each(@${column})))`;

export function alertReader(db: SqliteDatabase): AlertReader {
  const alerts = db.prepare(`select * from alert
    where first_seq < @after and opened_at between @from and @to
      and ${ANY("state")} and ${ANY("type")} and ${ANY("severity")}
    order by first_seq desc limit @limit`);
  const silences = db.prepare(`select * from silence
    where first_seq < @after
      and (@activeAt is null or (lifted_at is null and ends_at > @activeAt))
    order by first_seq desc limit @limit`);
  return {
    alerts: ({ states, types, severities, from, to, limit, after }) => {
      const rows = alerts.all({
        state: JSON.stringify(states),
        type: JSON.stringify(types),
        severity: JSON.stringify(severities),
        from: from ?? 0,
        to: to ?? Number.MAX_SAFE_INTEGER,
        after: after ?? Number.MAX_SAFE_INTEGER,
        limit: limit + 1,
      }) as AlertRow[];
      return pageOf(rows.map(alertView), limit);
    },
    silences: ({ activeAt, limit, after }) => {
      const wanted = {
        activeAt: activeAt ?? null,
        after: after ?? Number.MAX_SAFE_INTEGER,
        limit: limit + 1,
      };
      return pageOf((silences.all(wanted) as SilenceRow[]).map(silenceView), limit);
    },
  };
}

function pageOf<Item extends { readonly seq: number }>(
  found: readonly Item[],
  limit: number,
): { items: readonly Item[]; next: number | undefined } {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? items.at(-1)?.seq : undefined };
}

function alertView(row: AlertRow): AlertView {
  return {
    id: row.id,
    type: row.type,
    severity: row.severity,
    group: row.group_name,
    title: row.title,
    state: row.state,
    openedAt: row.opened_at,
    updatedAt: row.updated_at,
    resolvedAt: row.resolved_at,
    silenced: row.silenced === 1,
    members: JSON.parse(row.members) as AlertMember[],
    memberCount: row.member_count,
    seq: row.first_seq,
  };
}

function silenceView(row: SilenceRow): SilenceView {
  return {
    id: row.id,
    pattern: row.pattern,
    from: row.starts_at,
    until: row.ends_at,
    reason: row.reason,
    by: row.by,
    createdAt: row.created_at,
    liftedAt: row.lifted_at,
    liftedBy: row.lifted_by,
    seq: row.first_seq,
  };
}
