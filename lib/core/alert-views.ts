/** What the read models answer of alerts and silences. Times are epoch ms. */
import type { AlertMember, AlertType, Severity } from "./alert.ts";
import type { Page, Span } from "./read-models.ts";
import type { Silence } from "./silence.ts";

export const ALERT_STATES = ["open", "resolved"] as const;
export type AlertState = (typeof ALERT_STATES)[number];

export interface AlertView {
  readonly id: string;
  readonly type: string;
  readonly severity: string;
  readonly group: string;
  readonly title: string;
  readonly state: AlertState;
  readonly openedAt: number;
  readonly updatedAt: number;
  readonly resolvedAt: number | null;
  readonly silenced: boolean;
  readonly members: readonly AlertMember[];
  readonly memberCount: number;
  /** Of its first message: the order of the list. */
  readonly seq: number;
}

/** An empty list stands for any. The span is that of the opening. */
export interface AlertQuery extends Span {
  readonly states: readonly AlertState[];
  readonly types: readonly AlertType[];
  readonly severities: readonly Severity[];
  readonly limit: number;
  readonly after: number | undefined;
}

export interface SilenceView extends Silence {
  readonly createdAt: number;
  readonly liftedAt: number | null;
  readonly liftedBy: string | null;
  readonly seq: number;
}

export interface SilenceQuery {
  /** Only those that are neither over nor lifted at this time; undefined is all. */
  readonly activeAt: number | undefined;
  readonly limit: number;
  readonly after: number | undefined;
}

export interface AlertModels {
  /** Newest first. */
  alerts(query: AlertQuery): Page<AlertView, number>;
  silences(query: SilenceQuery): Page<SilenceView, number>;
}
