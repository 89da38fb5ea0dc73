/**
 * Which process a runner's state is about. Heartbeats and events are folded apart, each from its
 * own stream; here the two halves meet, at reading time, so that no interleaving can matter.
 */
import { UNKNOWN_HOST } from "./heartbeat.ts";
import { END_TOLERANCE_MS, thresholdScale } from "./status.ts";
import type { Liveness, Thresholds } from "./status.ts";

export const PROCESS_STATES = [
  "starting",
  "running",
  "stopping",
  "exited",
  "killed",
  "lost",
] as const;
export type ProcessState = (typeof PROCESS_STATES)[number];

interface ProcessKey {
  readonly host: string;
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly started_at: number;
}

/** What the newest heartbeats say: the part of a `latest_heartbeat` row that matters here. */
export interface BeatingProcess extends ProcessKey {
  /** The runner's clock minus stream time, ms. */
  readonly clock_offset_ms: number;
  readonly process_first_at: number;
  readonly beating_since: number;
  readonly last_heartbeat_at: number;
  readonly interval_sec: number | null;
  /** The last heartbeat that came from another, older process of the runner. */
  readonly rival_at: number | null;
}

/** What events say of one process: the part of a `process_lifecycle` row that matters here. */
export interface AnnouncedProcess extends ProcessKey {
  readonly state: ProcessState;
  readonly announced_at: number;
  readonly ended_at: number | null;
  readonly first_seq: number;
}

/** A runner's current process, put together from both halves. */
export interface CurrentProcess<Announced extends AnnouncedProcess = AnnouncedProcess> {
  readonly host: string;
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly startedAt: number;
  readonly state: ProcessState;
  /** The newest heartbeat is this process's own. */
  readonly isBeating: boolean;
  /** What was announced of it; undefined for a process that nobody announced. */
  readonly announced: Announced | undefined;
}

/** Whether two descriptions are of one process; what one of them leaves open, the other may say. */
export function isSameProcess(one: ProcessKey, other: ProcessKey): boolean {
  if (one.pid !== other.pid) return false;
  const hostsAgree =
    one.host === other.host || one.host === UNKNOWN_HOST || other.host === UNKNOWN_HOST;
  const startsAgree =
    one.started_at === other.started_at || one.started_at === 0 || other.started_at === 0;
  return hostsAgree && startsAgree;
}

/** When it started, as well as stream time can tell: never after it was first heard of. */
function announcedStart(row: AnnouncedProcess): number {
  return row.started_at === 0 ? row.announced_at : Math.min(row.started_at, row.announced_at);
}

function beatingStart(beat: BeatingProcess): number {
  if (beat.started_at === 0) return beat.process_first_at;
  return Math.min(beat.started_at - beat.clock_offset_ms, beat.process_first_at);
}

/** The announced process that started last; of several, the one that was announced last. */
export function newestAnnounced<Row extends AnnouncedProcess>(
  rows: readonly Row[],
): Row | undefined {
  let newest: Row | undefined;
  for (const row of rows) {
    if (newest === undefined || isLaterAnnounced(row, newest)) newest = row;
  }
  return newest;
}

function isLaterAnnounced(row: AnnouncedProcess, than: AnnouncedProcess): boolean {
  const difference = announcedStart(row) - announcedStart(than);
  return difference > 0 || (difference === 0 && row.first_seq > than.first_seq);
}

/** Starts on one host are compared on its own clock, others on the stream's. */
function startedAfter(announced: AnnouncedProcess, beat: BeatingProcess): boolean {
  const oneClock = announced.host === beat.host && announced.host !== UNKNOWN_HOST;
  if (oneClock && announced.started_at !== 0 && beat.started_at !== 0) {
    return announced.started_at > beat.started_at;
  }
  return announcedStart(announced) > beatingStart(beat);
}

/**
 * The runner's current process: the newest of the one that beats and those that were announced.
 * @param announced rows of the runner's processes; of those that are not the newest, only the one
 * of the process that beats matters.
 */
export function currentProcess<Row extends AnnouncedProcess>(
  beat: BeatingProcess | undefined,
  announced: readonly Row[],
): CurrentProcess<Row> | undefined {
  const newest = newestAnnounced(announced);
  if (beat === undefined) return newest === undefined ? undefined : announcedOnly(newest);
  const own = newestAnnounced(announced.filter((row) => isSameProcess(row, beat)));
  if (newest !== undefined && newest !== own && startedAfter(newest, beat)) {
    return announcedOnly(newest);
  }
  return merged(beat, own);
}

function announcedOnly<Row extends AnnouncedProcess>(row: Row): CurrentProcess<Row> {
  return {
    host: row.host,
    pid: row.pid,
    startedAt: row.started_at,
    state: row.state,
    isBeating: false,
    announced: row,
  };
}

function merged<Row extends AnnouncedProcess>(
  beat: BeatingProcess,
  own: Row | undefined,
): CurrentProcess<Row> {
  return {
    host: beat.host === UNKNOWN_HOST && own !== undefined ? own.host : beat.host,
    pid: beat.pid,
    startedAt: beat.started_at === 0 && own !== undefined ? own.started_at : beat.started_at,
    state: processState(own, beat.last_heartbeat_at),
    isBeating: true,
    announced: own,
  };
}

/** The life-cycle state of a process: what was announced, put right by what was heard of it. */
export function processState(
  announced: Pick<AnnouncedProcess, "state" | "ended_at"> | undefined,
  lastHeartbeatAt: number | null,
): ProcessState {
  if (announced === undefined) return "running";
  const { state, ended_at: endedAt } = announced;
  if (lastHeartbeatAt === null) return state;
  if (state === "starting") return "running";
  const isBack = endedAt !== null && lastHeartbeatAt > endedAt + END_TOLERANCE_MS;
  return state === "lost" && isBack ? "running" : state;
}

/** What was asked of a runner rather than seen of it. */
export interface Expectation {
  /** Of the fleet file, seconds; where the runner itself says another, the longer one counts. */
  readonly intervalSec: number | null;
  /** When a runner without any process was first looked for, epoch ms of stream time. */
  readonly expectedAt: number | null;
}

export const NO_EXPECTATION: Expectation = { intervalSec: null, expectedAt: null };

/** What the status of a runner follows from. */
export function livenessOf(
  current: CurrentProcess | undefined,
  beat: BeatingProcess | undefined,
  expected: Expectation,
): Liveness {
  const own = current?.isBeating === true ? beat : undefined;
  return {
    lastHeartbeatAt: own?.last_heartbeat_at ?? null,
    beatingSince: own?.beating_since ?? null,
    intervalSec: longerInterval(expected.intervalSec, own?.interval_sec ?? null),
    spawnedAt: current?.announced?.announced_at ?? null,
    endedAt: current?.announced?.ended_at ?? null,
    declaredAt: expected.expectedAt,
  };
}

/** Of two promises the one that is sooner kept: nobody is to look silent for want of a setting. */
export function longerInterval(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/**
 * Whether another process of the runner is alive beside its current one, by heartbeats: it has
 * beaten since the current one came, and not longer ago than a runner may to be online.
 */
export function hasDuplicate(
  current: CurrentProcess | undefined,
  beat: BeatingProcess | undefined,
  now: number,
  thresholds: Thresholds,
): boolean {
  if (current === undefined || beat === undefined) return false;
  const since = current.isBeating
    ? beat.process_first_at
    : (current.announced?.announced_at ?? now) + END_TOLERANCE_MS;
  const rivalAt = current.isBeating ? beat.rival_at : beat.last_heartbeat_at;
  const onlineMs = thresholds.onlineSec * 1000 * thresholdScale(beat.interval_sec, thresholds);
  return rivalAt !== null && rivalAt > since && now - rivalAt <= onlineMs;
}
