/**
 * What the fleet's runners say of themselves, summed up: no series here is of a single runner.
 * Counters count what is seen from one scrape to the next, so they begin with the first scrape.
 */
import { setImmediate as breathe } from "node:timers/promises";
import { EVENT_TYPES } from "../core/event.ts";
import { REJECT_REASONS } from "../core/heartbeat.ts";
import type { Moment, Page, ReadModels, RunnerPosition, RunnerView } from "../core/read-models.ts";
import { SEVERITIES } from "../core/alert.ts";
import { RUNNER_KINDS, isRunnerKind } from "../core/runner-id.ts";
import type { RunnerKind } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import { DurationCounts, LabelledCounts, OTHER } from "./metrics-counters.ts";
import { restartsBetween, sessionsOf } from "./metrics-camera.ts";
import type { Sessions } from "./metrics-camera.ts";
import { beatFacts } from "./metrics-runner.ts";
import { family, histogram } from "./metrics-text.ts";
import type { Sample } from "./metrics-text.ts";

const PAGE = 1_000;
/** Of runners: short, since nobody is answered while one is read. */
const RUNNERS_PAGE = 200;
/** Runners that are looked at in one scrape. */
const MAX_RUNNERS = 20_000;
/** Pages of events or rejected messages that are counted in one scrape. */
const MAX_PAGES = 10;
const MAX_CHECK_SERIES = 100;
const MAX_WORKER_SERIES = 200;
const MAX_REASON_SERIES = 60;

/** As the enforcer names them. */
const LIMITS = ["memory_mb", "cpu_percent", "vram_mb"];

/** What was last counted of a runner. */
interface Counted {
  readonly seq: number;
  readonly errorAt: number | null;
  readonly sessions: Sessions | undefined;
}

/** Gauges of one scrape. */
interface Sums {
  readonly workers: LabelledCounts<"status" | "backend" | "device">;
  readonly cameras: LabelledCounts<"state" | "backend">;
  readonly throttled: LabelledCounts<"kind">;
  readonly failing: LabelledCounts<"check">;
  readonly frames: LabelledCounts<"kind">;
  looked: number;
}

export class FleetMetrics {
  private readonly models: ReadModels;
  private readonly latency = new Map(RUNNER_KINDS.map((kind) => [kind, new DurationCounts()]));
  private readonly delay = new Map(RUNNER_KINDS.map((kind) => [kind, new DurationCounts()]));
  private readonly changes = new LabelledCounts(["from", "to"]);
  private readonly errors = zeroed(["kind"], RUNNER_KINDS);
  private readonly restarts = zeroed(["kind"], RUNNER_KINDS);
  private readonly limits = zeroed(["limit"], LIMITS);
  private readonly reconnects = new LabelledCounts(["reason"], MAX_REASON_SERIES);
  private readonly events = zeroed(["type"], EVENT_TYPES);
  private readonly rejected = zeroed(["reason"], REJECT_REASONS);
  private counted = new Map<string, Counted>();
  private eventSeq: number | undefined;
  private rejectedSeq: number | undefined;

  constructor(models: ReadModels) {
    this.models = models;
  }

  /**
   * Counts what is new, and answers with everything as text.
   * @throws AppError `unavailable` where there are no read models yet.
   */
  async collect(moment: Moment): Promise<string[]> {
    this.countEvents();
    this.countRejected();
    const sums = await this.lookAtRunners(moment);
    return [...this.gauges(sums), ...this.counters()];
  }

  /** Page by page: others are answered in between. */
  private async lookAtRunners(moment: Moment): Promise<Sums> {
    const sums: Sums = {
      workers: new LabelledCounts(["status", "backend", "device"], MAX_WORKER_SERIES),
      cameras: new LabelledCounts(["state", "backend"], MAX_WORKER_SERIES),
      throttled: zeroed(["kind"], RUNNER_KINDS),
      failing: new LabelledCounts(["check"], MAX_CHECK_SERIES),
      frames: zeroed(["kind"], RUNNER_KINDS),
      looked: 0,
    };
    const seen = new Map<string, Counted>();
    let after: RunnerPosition | undefined;
    do {
      const { items, next } = this.models.runners(queryAfter(after), moment);
      for (const view of items) this.lookAt(view, sums, seen);
      sums.looked += items.length;
      after = next;
      if (after !== undefined) await breathe();
    } while (after !== undefined && sums.looked < MAX_RUNNERS);
    // Runners that are gone are forgotten.
    this.counted = seen;
    return sums;
  }

  private lookAt(view: RunnerView, sums: Sums, seen: Map<string, Counted>): void {
    const kind = kindOf(view.runner);
    const facts = beatFacts(view);
    const { backend, device } = facts;
    if (kind === "worker") sums.workers.add({ status: view.status.status, backend, device });
    if (facts.cameraState !== "") sums.cameras.add({ state: facts.cameraState, backend });
    if (facts.isThrottled) sums.throttled.add({ kind });
    if (view.status.status === "online") sums.frames.add({ kind }, view.figures?.fps ?? 0);
    for (const check of facts.failingChecks) sums.failing.add({ check });
    this.countBeat(view, kind, seen);
  }

  /** Each heartbeat counts once, however often it is looked at. */
  private countBeat(view: RunnerView, kind: RunnerKind, seen: Map<string, Counted>): void {
    const { runner, beat, figures } = view;
    if (beat === undefined || figures === undefined) return;
    const before = this.counted.get(runner);
    const sessions = kind === "camera" ? sessionsOf(view) : undefined;
    const now = { seq: beat.last_seq, errorAt: figures.last_error_at, sessions };
    seen.set(runner, now);
    this.counted.set(runner, now);
    if (before?.seq === now.seq) return;
    if (figures.latency_ms !== null) this.latency.get(kind)?.observe(figures.latency_ms / 1_000);
    // What its clock is ahead by is no time on the way.
    if (figures.ts !== null)
      this.delay.get(kind)?.observe(Math.max(0, beat.last_heartbeat_at - figures.ts) / 1_000);
    const restarted = restartsBetween(before?.sessions, sessions);
    if (restarted !== undefined) this.reconnects.add({ reason: restarted.reason }, restarted.count);
    const hasFailed = now.errorAt !== null && now.errorAt !== before?.errorAt;
    if (hasFailed && before !== undefined) this.errors.add({ kind });
  }

  private countEvents(): void {
    const { rows, newest } = newRows(this.eventSeq, (limit, after) => {
      const common = { runner: undefined, types: [], from: undefined, to: undefined };
      return this.models.timeline({ ...common, limit, after });
    });
    this.eventSeq = newest;
    for (const { type, runner, data } of rows) {
      this.events.add({ type: (EVENT_TYPES as readonly string[]).includes(type) ? type : OTHER });
      if (type === "status_changed") this.changes.add(changeOf(data));
      if (type === "limit_exceeded") this.limits.add({ limit: limitOf(data) });
      if (type === "restart_scheduled") this.restarts.add({ kind: kindOf(runner) });
    }
  }

  private countRejected(): void {
    const { rows, newest } = newRows(this.rejectedSeq, (limit, after) => {
      const common = { reasons: [], states: [], from: undefined, to: undefined };
      return this.models.quarantine({ ...common, limit, after });
    });
    this.rejectedSeq = newest;
    for (const { reason } of rows) {
      const isKnown = (REJECT_REASONS as readonly string[]).includes(reason);
      this.rejected.add({ reason: isKnown ? reason : OTHER });
    }
  }

  /** Open alerts: those that somebody is told of, and those that are silenced. */
  private alertSamples(): { readonly open: Sample[]; readonly silenced: Sample[] } {
    const open = zeroed(["severity"], SEVERITIES);
    const hushed = zeroed(["severity"], SEVERITIES);
    let after: number | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const states = ["open" as const];
      const wanted = { states, types: [], severities: [], from: undefined, to: undefined };
      const { items, next } = this.models.alerts({ ...wanted, limit: PAGE, after });
      for (const { severity, silenced } of items) (silenced ? hushed : open).add({ severity });
      after = next;
      if (after === undefined) break;
    }
    return { open: open.samples(), silenced: hushed.samples() };
  }

  private gauges({ workers, cameras, throttled, failing, frames, looked }: Sums): string[] {
    const alerts = this.alertSamples();
    return [
      family(
        "runbeat_alerts_open",
        "gauge",
        "Open alerts by severity, without silenced ones.",
        alerts.open,
      ),
      family(
        "runbeat_alerts_silenced",
        "gauge",
        "Open alerts of which nobody is told, by severity.",
        alerts.silenced,
      ),
      family(
        "runbeat_frames_per_second",
        "gauge",
        "Pictures a second of all online runners.",
        frames.samples(),
      ),
      family(
        "runbeat_workers",
        "gauge",
        "Workers by status, backend and device.",
        workers.samples(),
      ),
      family("runbeat_cameras", "gauge", "Cameras by state and decoder.", cameras.samples()),
      family(
        "runbeat_runners_throttled",
        "gauge",
        "Runners that say that they are throttled.",
        throttled.samples(),
      ),
      family(
        "runbeat_checks_failing",
        "gauge",
        "Runners by check that their last heartbeat calls failing.",
        failing.samples(),
      ),
      family("runbeat_runners_looked_at", "gauge", "Runners that these figures are of.", [
        [{}, looked],
      ]),
    ];
  }

  private counters(): string[] {
    const { errors, restarts, events, rejected, latency, delay, changes, limits } = this;
    return [
      family(
        "runbeat_status_changes_total",
        "counter",
        "Changes of status that the sentinel told.",
        changes.samples(),
      ),
      histogram(
        "runbeat_heartbeat_delay_seconds",
        "From a runner's clock to the stream, one for each heartbeat seen; skew is part of it.",
        [...delay].map(([kind, counts]) => counts.sample({ kind })),
      ),
      family("runbeat_runner_errors_total", "counter", "Errors in heartbeats.", errors.samples()),
      family("runbeat_restarts_total", "counter", "Restarts scheduled.", restarts.samples()),
      family(
        "runbeat_limits_exceeded_total",
        "counter",
        "Runners that exceeded a limit, by limit.",
        limits.samples(),
      ),
      family(
        "runbeat_ffmpeg_restarts_total",
        "counter",
        "New sessions of FFmpeg on a camera, by what ended the one before.",
        this.reconnects.samples(),
      ),
      family("runbeat_events_total", "counter", "Events by type.", events.samples()),
      family(
        "runbeat_messages_rejected_total",
        "counter",
        "Messages put into quarantine, by reason.",
        rejected.samples(),
      ),
      histogram(
        "runbeat_detection_latency_seconds",
        "From a picture or request to its answer, as heartbeats say; one for each seen.",
        [...latency].map(([kind, counts]) => counts.sample({ kind })),
      ),
    ];
  }
}

/**
 * Rows that came since the last scrape, and the newest sequence. At the first scrape, and after a
 * stream was made anew, there are none: it only finds the end.
 */
function newRows<Row extends { readonly stream_seq: number }>(
  since: number | undefined,
  read: (limit: number, after: number | undefined) => Pick<Page<Row, number>, "items" | "next">,
): { readonly rows: readonly Row[]; readonly newest: number } {
  const newest = read(1, undefined).items[0]?.stream_seq ?? 0;
  const rows: Row[] = [];
  if (since === undefined || newest <= since) return { rows, newest };
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, next } = read(PAGE, rows.at(-1)?.stream_seq);
    const fresh = items.filter(({ stream_seq }) => stream_seq > since);
    rows.push(...fresh);
    if (next === undefined || fresh.length < items.length) break;
  }
  return { rows, newest };
}

/** Counts that begin at 0, so that the first one is not missed by who looks at rates. */
function zeroed<Name extends string>(
  [name]: readonly [Name],
  values: readonly string[],
): LabelledCounts<Name> {
  const counts = new LabelledCounts<Name>([name]);
  for (const value of values) counts.add({ [name]: value } as Record<Name, string>, 0);
  return counts;
}

/** Names from outside count only where they are statuses. */
function changeOf(data: string | null): Record<"from" | "to", string> {
  const told = JSON.parse(data ?? "{}") as Record<string, unknown>;
  const known = (key: string): string => STATUSES.find((status) => status === told[key]) ?? OTHER;
  return { from: known("from"), to: known("to") };
}

function limitOf(data: string | null): string {
  const { limit } = JSON.parse(data ?? "{}") as Record<string, unknown>;
  return LIMITS.find((known) => known === limit) ?? OTHER;
}

function kindOf(runner: string): RunnerKind {
  const [kind = ""] = runner.split("/");
  return isRunnerKind(kind) ? kind : "process";
}

function queryAfter(after: RunnerPosition | undefined): Parameters<ReadModels["runners"]>[0] {
  return {
    kinds: [],
    statuses: [],
    healths: [],
    hosts: [],
    labels: [],
    text: "",
    retired: false,
    sort: { key: "runner", descending: false },
    limit: RUNNERS_PAGE,
    after,
  };
}
