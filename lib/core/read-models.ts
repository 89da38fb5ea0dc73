/**
 * What the read models answer, whatever database they live in. Times are epoch ms; JSON columns
 * are handed on as the text that they are stored as.
 */
import type { StandingView } from "./standing.ts";
import type { AlertModels } from "./alert-views.ts";
import type { AnnouncedProcess, BeatingProcess, CurrentProcess } from "./current-process.ts";
import type { ProcessState } from "./current-process.ts";
import type { CameraState, Health } from "./heartbeat.ts";
import type { RunnerKind } from "./runner-id.ts";
import type { Liveness, PipelineView, Status, StatusAnswer, Thresholds } from "./status.ts";
import type { UserRow, UserRowQuery } from "./user-rows.ts";

/** The moment at which something is judged, and what Runbeat could see until then. */
export interface Moment {
  /** Epoch ms on the NATS server's clock. */
  readonly now: number;
  readonly view: PipelineView;
}

/** A runner of the fleet file. */
export interface DeclaredRunner {
  readonly runner: string;
  /** `camera`, `command`, `docker`, `systemd`, `external`. */
  readonly driver: string;
  /** Seconds; null where the entry has none of its own. */
  readonly intervalSec: number | null;
  /** Thresholds of its own, seconds. */
  readonly thresholds?: Partial<Thresholds>;
}

/** What the newest heartbeat of a runner says of its process. */
export interface BeatFacts extends BeatingProcess {
  readonly health: Health | null;
  readonly labels: string | null;
  /** Sequence of that heartbeat in its stream. */
  readonly last_seq: number;
}

/** The rest of that heartbeat: what is shown, but never filtered or sorted by. */
export interface BeatFigures {
  /** The runner's clock. */
  readonly ts: number | null;
  /** The runner's own counter. */
  readonly seq: number | null;
  readonly fps: number | null;
  readonly detected: number | null;
  readonly matched: number | null;
  readonly latency_ms: number | null;
  readonly last_error: string;
  readonly last_error_at: number | null;
  readonly camera_state: CameraState | null;
  readonly checks: string | null;
  readonly metrics: string | null;
  readonly resources: string | null;
  readonly detail: string | null;
  /** When the heavy part came last. */
  readonly heavy_at: number | null;
}

/** What was announced of a process, less its arguments and environment. */
export interface AnnouncedRow extends AnnouncedProcess {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly end_reason: string | null;
}

export interface RestartRow {
  readonly attempt_count: number;
  readonly last_attempt_at: number | null;
  readonly last_failure_reason: string | null;
  readonly cooldown_until: number | null;
  readonly paused: 0 | 1;
  readonly retired: 0 | 1;
  readonly registered_at: number | null;
  readonly registered_host: string | null;
  readonly registered_pid: number | null;
  readonly labels: string | null;
}

/** What is in memory of a runner: enough to judge it, at every look at the whole fleet. */
export interface RunnerFacts {
  readonly runner: string;
  readonly liveness: Liveness;
  readonly thresholds: Thresholds;
  readonly current: CurrentProcess<AnnouncedRow> | undefined;
  readonly beat: BeatFacts | undefined;
  readonly restart: RestartRow | undefined;
  readonly declared: DeclaredRunner | undefined;
}

/** Everything known of one runner at one moment. */
export interface RunnerView {
  readonly runner: string;
  readonly status: StatusAnswer;
  readonly duplicate: boolean;
  readonly intervalSec: number | null;
  readonly current: CurrentProcess<AnnouncedRow> | undefined;
  /** Processes of the runner that were announced before the current one. */
  readonly restarts: number;
  /** Undefined, as the figures are, unless it is the current process that has beaten. */
  readonly beat: BeatFacts | undefined;
  readonly figures: BeatFigures | undefined;
  readonly restart: RestartRow | undefined;
  readonly declared: DeclaredRunner | undefined;
  /** What the status follows from. */
  readonly liveness: Liveness;
  readonly thresholds: Thresholds;
}

export const SORT_KEYS = ["severity", "runner", "status", "last_heartbeat_at", "restarts"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** How a list of runners is ordered; ties are broken by runner. */
export interface SortOrder {
  readonly key: SortKey;
  readonly descending: boolean;
}

/** Where a page of runners ended: the sort values of its last item, and its name. */
export interface RunnerPosition {
  readonly first: number;
  readonly second: number;
  readonly runner: string;
}

/** Which runners; an empty list stands for any. */
export interface RunnerFilter {
  readonly kinds: readonly RunnerKind[];
  readonly statuses: readonly Status[];
  readonly healths: readonly Health[];
  readonly hosts: readonly string[];
  /** `key:value`, all of which must be there. */
  readonly labels: readonly string[];
  /** Part of the runner's name or host, in lower case. */
  readonly text: string;
  /** Also those that were retired. */
  readonly retired: boolean;
}

export interface RunnerQuery extends RunnerFilter {
  readonly sort: SortOrder;
  readonly limit: number;
  readonly after: RunnerPosition | undefined;
}

/** One page; `seq` is how far its stream was folded, `next` undefined at the end. */
export interface Page<Item, Position> {
  readonly items: readonly Item[];
  readonly next: Position | undefined;
  readonly seq: number;
}

/** Counts of runners by status and by reported health, zeros included. */
export interface Counts {
  total: number;
  status: Record<Status, number>;
  health: Record<Health, number>;
}

export interface Summary extends Counts {
  readonly kinds: Record<RunnerKind, Counts>;
  /** The runner that ought to beat and has been silent for longest. */
  readonly oldestSilence: { readonly runner: string; readonly lastHeartbeatAt: number } | undefined;
  readonly seq: number;
}

/** One process of a runner: what `running_process` joins. */
export interface ProcessView {
  readonly runner: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly state: ProcessState;
  readonly status: StatusAnswer;
  readonly managed: boolean;
  readonly effectiveArgs: string | null;
  readonly effectiveEnv: string | null;
  readonly lastHeartbeatAt: number | null;
  readonly lastError: string;
  readonly lastErrorAt: number | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly heartbeatCount: number;
}

export interface ProcessPosition {
  readonly runner: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
}

export interface ProcessQuery {
  readonly runner: string | undefined;
  readonly host: string | undefined;
  readonly states: readonly ProcessState[];
  readonly limit: number;
  readonly after: ProcessPosition | undefined;
}

/** A span of time, both ends included. */
export interface Span {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

export interface SnapshotView {
  readonly ts: number;
  readonly heartbeat_seq: number;
  readonly host: string;
  readonly pid: number;
  readonly health: Health | null;
  readonly fps: number | null;
  readonly detected: number | null;
  readonly matched: number | null;
  readonly latency_ms: number | null;
  readonly last_error: string;
  readonly seq: number | null;
}

export interface SnapshotPosition {
  readonly ts: number;
  readonly heartbeatSeq: number;
}

export interface SnapshotQuery extends Span {
  readonly runner: string;
  readonly limit: number;
  readonly after: SnapshotPosition | undefined;
}

/** The figures of a snapshot that are put together for graphs. */
export const FIGURES = ["fps", "detected", "matched", "latency_ms"] as const;
export type Figure = (typeof FIGURES)[number];

export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** The snapshots of one span of time; null where none of them had the figure. */
export interface BucketView {
  /** Start, a multiple of the bucket's length. */
  readonly ts: number;
  readonly count: number;
  readonly errors: number;
  readonly figures: Record<Figure, Spread | null>;
}

export interface BucketQuery extends Span {
  readonly runner: string;
  readonly everyMs: number;
  readonly limit: number;
  /** Start of the last bucket of the page before. */
  readonly after: number | undefined;
}

export interface TimelineView {
  readonly stream_seq: number;
  readonly time: number;
  readonly runner: string;
  readonly type: string;
  readonly by: string;
  readonly data: string | null;
}

export interface TimelineQuery extends Span {
  readonly runner: string | undefined;
  readonly types: readonly string[];
  readonly limit: number;
  /** Sequence of the last event of the page before. */
  readonly after: number | undefined;
}

export const QUARANTINE_STATES = ["open", "retried", "discarded"] as const;
export type QuarantineState = (typeof QUARANTINE_STATES)[number];

export interface QuarantineView {
  readonly stream_seq: number;
  readonly time: number;
  readonly reason: string;
  readonly source_stream: string;
  readonly source_seq: number;
  readonly subject: string;
  readonly bytes: number;
  /** Base64. */
  readonly payload: string;
  readonly message: string;
  readonly state: QuarantineState;
  readonly resolved_by: string | null;
  readonly resolved_at: number | null;
}

export interface QuarantineQuery extends Span {
  readonly reasons: readonly string[];
  readonly states: readonly QuarantineState[];
  readonly limit: number;
  readonly after: number | undefined;
}

/** How far a projection has come. */
export interface CheckpointView {
  readonly projection: string;
  readonly version: number;
  readonly partition: number;
  /** `next` and `old` are of a rebuild: nobody is told anything from them. */
  readonly lane: "main" | "fast" | "next" | "old";
  readonly stream: string;
  /** The stream's creation time as the server wrote it. */
  readonly stream_created: string;
  readonly seq: number;
  readonly time: number;
  readonly state: "running" | "stopped";
  readonly error: string | null;
  readonly error_seq: number | null;
  readonly notice: string | null;
  readonly notice_at: number | null;
  readonly updated_at: number;
  /** Raised whenever the table is exchanged for another. */
  readonly generation: number;
}

export interface DatabaseHealth {
  readonly file: string;
  /** Size of the write-ahead log. */
  readonly walBytes: number;
  readonly runners: number;
  /** When the fleet was last read anew, and how long it took; null while it never was. */
  readonly loadedInMs: number | null;
}

/** Runners that may be others than when they were asked for last. */
export interface FleetChanges {
  readonly shown: readonly string[];
  /** Lists don't show these any more. */
  readonly gone: readonly string[];
  /** How far their stream was folded. */
  readonly seq: number;
}

/**
 * The read models of one installation. Everything throws AppError `unavailable` while there is no
 * database yet.
 */
export interface ReadModels extends AlertModels {
  runners(query: RunnerQuery, moment: Moment): Page<RunnerView, RunnerPosition>;
  runner(runner: string, moment: Moment): { view: RunnerView | undefined; seq: number };
  /** Several at once, in the order asked for; undefined for those that lists don't show. */
  runnersNamed(names: readonly string[], moment: Moment): readonly (RunnerView | undefined)[];
  /**
   * For one listener: what it was told once it is not told again.
   * @param withStatuses also those whose status changed by the passing of time, which costs a
   *   pass over the fleet.
   */
  changes(moment: Moment, withStatuses: boolean): FleetChanges;
  summary(moment: Moment): Summary;
  /**
   * Shows every runner with its status, the retired too. Answers false, and has shown none, while
   * more has been folded than could be read yet: what it would show may be old.
   */
  watch(moment: Moment, show: (facts: RunnerFacts, status: Status) => void): boolean;
  /** Waits between slices of a long scan, so that others are answered meanwhile. */
  processes(query: ProcessQuery, moment: Moment): Promise<Page<ProcessView, ProcessPosition>>;
  snapshots(query: SnapshotQuery): Page<SnapshotView, SnapshotPosition>;
  buckets(query: BucketQuery): Page<BucketView, number>;
  timeline(query: TimelineQuery): Page<TimelineView, number>;
  /** The events behind a sequence, oldest first. */
  eventsAfter(seq: number, limit: number): readonly TimelineView[];
  quarantine(query: QuarantineQuery): Page<QuarantineView, number>;
  /** @throws AppError `unavailable` while the projector has not made its table. */
  userRows(query: UserRowQuery): Page<UserRow, readonly (string | number)[]>;
  /** Every checkpoint; `lane` says which of the status tables are read at present. */
  checkpoints(): { readonly lane: "main" | "fast"; readonly rows: readonly CheckpointView[] };
  isRegistered(runner: string): boolean;
  isDeclared(runner: string): boolean;
  /** Replaces the list of the fleet file. `at`: since when its new runners are looked for. */
  declare(runners: readonly DeclaredRunner[], at: number): void;
  /** Whether the fleet has been read into memory. */
  isLoaded(): boolean;
  health(): DatabaseHealth;
  standing(): StandingView;
  close(): void;
}
