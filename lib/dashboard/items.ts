/** What the read API answers, as far as the page shows it. */
import type { Health } from "../core/heartbeat.ts";
import type { RunnerKind } from "../core/runner-id.ts";
import type { Status } from "../core/status.ts";

export interface AsOf {
  readonly seq: number;
  readonly time: string;
  readonly lag_ms: number | null;
  /** Time stands still: of an export that was opened. */
  readonly is_past?: true;
}

export interface RunnerItem {
  readonly runner: string;
  readonly kind: RunnerKind;
  readonly name: string;
  readonly profile: string;
  readonly status: Status;
  readonly status_since: string;
  readonly cause: string;
  readonly health: Health | null;
  readonly paused: boolean;
  readonly managed: boolean;
  readonly duplicate: boolean;
  readonly last_heartbeat_at: string | null;
  readonly interval_sec: number | null;
  readonly clock_skew_ms: number | null;
  readonly last_error: string;
  readonly last_error_at: string | null;
  readonly process: {
    readonly host: string;
    readonly pid: number;
    readonly started_at: string | null;
    readonly state: string;
    readonly restarts: number;
    readonly exit_code: number | null;
    readonly signal: string | null;
    readonly ended_at: string | null;
  } | null;
  readonly heartbeat: {
    readonly seq: number | null;
    readonly fps: number | null;
    readonly detected: number | null;
    readonly matched: number | null;
    readonly latency_ms: number | null;
    readonly checks: Readonly<Record<string, boolean>>;
    readonly metrics: Readonly<Record<string, number>>;
    readonly labels: Readonly<Record<string, string>>;
    readonly resources: Readonly<Record<string, unknown>>;
    readonly camera_state: string | null;
  } | null;
  readonly restart: {
    readonly attempt_count: number;
    readonly last_failure_reason: string | null;
    readonly cooldown_until: string | null;
  };
  /** What the fleet file says of it. */
  readonly desired: { readonly driver: string } | null;
}

export interface Counts {
  readonly total: number;
  readonly status: Readonly<Record<Status, number>>;
  readonly health: Readonly<Record<Health, number>>;
}

export interface ProjectionItem {
  readonly name: string;
  readonly version: number;
  readonly partition: number;
  readonly seq: number;
  readonly lag: number | null;
  readonly updated_at: string;
  readonly state: string;
}

export interface SummaryItem extends Counts {
  readonly kinds: Readonly<Record<RunnerKind, Counts>>;
  readonly oldest_silence: {
    readonly runner: string;
    readonly last_heartbeat_at: string;
  } | null;
  readonly projections: readonly ProjectionItem[];
  readonly as_of: AsOf;
}

export interface EventItem {
  readonly stream: string;
  readonly seq: number;
  readonly time: string;
  readonly runner: string;
  readonly type: string;
  readonly by: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ListAnswer<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
  readonly as_of: AsOf;
}

export interface SnapshotPart {
  readonly items: readonly RunnerItem[];
  readonly more: boolean;
  readonly as_of: AsOf;
}

/** The fleet at one moment, live or past. */
export interface FleetData {
  readonly runners: ReadonlyMap<string, RunnerItem>;
  readonly summary: SummaryItem | undefined;
  /** The newest last. */
  readonly events: readonly EventItem[];
  /** The moment that is shown, on the NATS server's clock, epoch ms. */
  now(): number;
}
