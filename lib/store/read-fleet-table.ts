/**
 * The fleet in memory: one slot per runner. What every scan touches lies in columns of numbers,
 * so that 100,000 runners are filtered and sorted within milliseconds; the rest lies in a record.
 */
import {
  currentProcess,
  isSameProcess,
  livenessOf,
  newestAnnounced,
} from "../core/current-process.ts";
import type { CurrentProcess } from "../core/current-process.ts";
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { DeclaredRunner, Moment } from "../core/read-models.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import type { RunnerKind } from "../core/runner-id.ts";
import { CLEAR_VIEW, healthOf, STATUSES, statusOf } from "../core/status.ts";
import type { Liveness, PipelineView, Thresholds } from "../core/status.ts";
import { statusWindow } from "../core/status-window.ts";
import { fleetNames } from "./read-fleet-names.ts";
import type { FleetNames } from "./read-fleet-names.ts";
import type { AnnouncedFacts, NamedBeat, RestartFacts } from "./read-fleet-facts.ts";

const FIRST_CAPACITY = 256;
/** Stands for a runner of which no heartbeat is known; before every time there is. */
export const NEVER = -1;
/** In the health column: nothing was reported. */
export const NO_HEALTH = HEALTH_VALUES.length;

/** Different sets of labels that are kept once each. */
const MAX_LABEL_LISTS = 10_000;
export const NOT_LISTED = -1;

export interface FleetRecord {
  readonly runner: string;
  beat: NamedBeat | undefined;
  /** The newest announced process and the one that beats; empty where none was announced. */
  announced: readonly AnnouncedFacts[];
  announcedRows: number;
  restart: RestartFacts | undefined;
  declared: DeclaredRunner | undefined;
  /** Since when the fleet file names it, epoch ms. */
  declaredAt: number | null;
  thresholds: Thresholds;
  current: CurrentProcess<AnnouncedFacts> | undefined;
  liveness: Liveness;
  /** As `key:value`; parsed from `labelText`. */
  labels: readonly string[];
  labelText: string | null;
}

const UNHEARD: Liveness = {
  lastHeartbeatAt: null,
  beatingSince: null,
  intervalSec: null,
  spawnedAt: null,
  endedAt: null,
  declaredAt: null,
};

interface Columns {
  status: Uint8Array;
  /** Between these two moments the status stays as it is. */
  after: Float64Array;
  until: Float64Array;
  lastHeartbeatAt: Float64Array;
  restarts: Float64Array;
  host: Int32Array;
  kind: Uint8Array;
  health: Uint8Array;
  /** Which of the table's lists of labels it has; beyond them, `NOT_LISTED`. */
  labels: Int32Array;
  /** 1: shown in lists; 0: only some of its history is known. */
  listed: Uint8Array;
  retired: Uint8Array;
}

function columnsOf(capacity: number, old?: Columns): Columns {
  const columns: Columns = {
    status: new Uint8Array(capacity),
    after: new Float64Array(capacity),
    until: new Float64Array(capacity),
    lastHeartbeatAt: new Float64Array(capacity),
    restarts: new Float64Array(capacity),
    host: new Int32Array(capacity),
    labels: new Int32Array(capacity),
    kind: new Uint8Array(capacity),
    health: new Uint8Array(capacity),
    listed: new Uint8Array(capacity),
    retired: new Uint8Array(capacity),
  };
  if (old === undefined) return columns;
  for (const name of Object.keys(columns) as (keyof Columns)[]) columns[name].set(old[name]);
  return columns;
}

export class FleetTable {
  readonly records: FleetRecord[] = [];
  readonly hosts: string[] = [];
  /** The different sets of labels, each as `key:value`. */
  readonly labelLists: (readonly string[])[] = [];
  columns: Columns = columnsOf(FIRST_CAPACITY);
  /** Rows that the facts in memory stand for: what the tables must hold too. */
  readonly rows = { beats: 0, announced: 0, restarts: 0 };
  private readonly slots = new Map<string, number>();
  private readonly labelIds = new Map<string, number>();
  private readonly hostIds = new Map<string, number>();
  private readonly thresholds: Thresholds;
  private view: PipelineView = CLEAR_VIEW;
  private named: FleetNames = fleetNames([], new Int32Array(0));
  /** Slots of which something was heard; undefined while nobody asks for them. */
  private touched: Set<number> | undefined;

  constructor(thresholds: Thresholds) {
    this.thresholds = thresholds;
  }

  slotOf(runner: string): number | undefined {
    return this.slots.get(runner);
  }

  setBeat(facts: NamedBeat, announcedOf: (runner: string) => readonly AnnouncedFacts[]): void {
    const slot = this.slotFor(facts.runner);
    const record = this.record(slot);
    const before = record.beat;
    if (before === undefined) this.rows.beats += 1;
    if (before === undefined || !isSameProcess(before, facts)) {
      if (record.announced.length > 0)
        record.announced = relevant(announcedOf(facts.runner), facts);
    }
    record.beat = before === undefined ? facts : overwritten(before, facts);
    this.derive(slot);
  }

  setAnnounced(runner: string, rows: readonly AnnouncedFacts[]): void {
    const slot = this.slotFor(runner);
    const record = this.record(slot);
    this.rows.announced += rows.length - record.announcedRows;
    record.announcedRows = rows.length;
    record.announced = relevant(rows, record.beat);
    this.derive(slot);
  }

  setRestart(facts: RestartFacts): void {
    const slot = this.slotFor(facts.runner);
    const record = this.record(slot);
    if (record.restart === undefined) this.rows.restarts += 1;
    record.restart = facts;
    this.derive(slot);
  }

  /** `at`: since when the runner is looked for; undefined takes it off the fleet file's list. */
  setDeclared(runner: string, declared: DeclaredRunner | undefined, at: number | null): void {
    const slot = this.slotFor(runner);
    const record = this.record(slot);
    record.declared = declared;
    record.declaredAt = declared === undefined ? null : at;
    record.thresholds = { ...this.thresholds, ...declared?.thresholds };
    this.derive(slot);
  }

  /** The status of a slot as an index into STATUSES, worked out anew only where it can differ. */
  statusAt(slot: number, now: number): number {
    const { after, until, status } = this.columns;
    const holds = now <= (until[slot] as number) && now > (after[slot] as number);
    return holds ? (status[slot] as number) : this.judge(slot, now);
  }

  /** Must be called before `statusAt` with what could be seen at that moment. */
  useView({ view }: Moment): void {
    const isSame =
      view.blindSince === this.view.blindSince &&
      view.lastBlind?.from === this.view.lastBlind?.from &&
      view.lastBlind?.to === this.view.lastBlind?.to;
    if (isSame) return;
    this.view = view;
    this.columns.until.fill(-Infinity);
  }

  /** From now on, remembers of which slots something was heard. */
  track(): void {
    this.touched = new Set();
  }

  /** Of which slots something was heard since they were taken last. */
  takeTouched(): number[] {
    if (this.touched === undefined || this.touched.size === 0) return [];
    const slots = [...this.touched];
    this.touched = new Set();
    return slots;
  }

  /** The names of all runners, in order and searchable. Made anew where runners came. */
  names(): FleetNames {
    if (this.named.slots.length !== this.records.length) {
      this.named = fleetNames(
        this.records.map((record) => record.runner),
        this.named.slots,
      );
    }
    return this.named;
  }

  record(slot: number): FleetRecord {
    return this.records[slot] as FleetRecord;
  }

  private judge(slot: number, now: number): number {
    const { liveness, thresholds } = this.record(slot);
    const code = STATUSES.indexOf(statusOf(liveness, now, thresholds, this.view).status);
    const window = statusWindow(liveness, now, thresholds, this.view);
    const { columns } = this;
    columns.status[slot] = code;
    columns.after[slot] = window.after;
    columns.until[slot] = window.until;
    return code;
  }

  private slotFor(runner: string): number {
    const known = this.slots.get(runner);
    if (known !== undefined) return known;
    const slot = this.records.length;
    if (slot === this.columns.status.length) this.columns = columnsOf(slot * 2, this.columns);
    this.records.push(newRecord(runner, this.thresholds));
    this.slots.set(runner, slot);
    const kind = runner.slice(0, runner.indexOf("/")) as RunnerKind;
    this.columns.kind[slot] = RUNNER_KINDS.indexOf(kind);
    return slot;
  }

  /** Works out everything that follows from a record's facts, whatever the time. */
  private derive(slot: number): void {
    const { columns } = this;
    this.touched?.add(slot);
    const record = this.record(slot);
    const { beat, restart, declared } = record;
    const current = currentProcess(beat, record.announced);
    const own = current?.isBeating === true ? beat : undefined;
    if (!isAlike(record.current, current)) record.current = current;
    overwritten(
      record.liveness,
      livenessOf(current, beat, {
        intervalSec: declared?.intervalSec ?? null,
        expectedAt: restart?.registered_at ?? record.declaredAt,
      }),
    );
    this.setLabels(slot, record, own?.labels ?? restart?.labels ?? "{}");
    const isExpected = declared !== undefined || (restart?.registered_at ?? null) !== null;
    columns.listed[slot] = current !== undefined || isExpected ? 1 : 0;
    columns.retired[slot] = restart?.retired ?? 0;
    columns.health[slot] =
      own === undefined ? NO_HEALTH : HEALTH_VALUES.indexOf(healthOf(own.health));
    columns.lastHeartbeatAt[slot] = own?.last_heartbeat_at ?? NEVER;
    columns.restarts[slot] = current?.announced?.before ?? 0;
    columns.host[slot] = this.internHost(current?.host ?? restart?.registered_host ?? "");
    columns.until[slot] = -Infinity;
  }

  /** Parses labels only where they differ from before: runners say the same again and again. */
  private setLabels(slot: number, record: FleetRecord, text: string): void {
    if (text === record.labelText) return;
    record.labelText = text;
    const known = this.labelIds.get(text);
    record.labels = known === undefined ? parseLabels(text) : (this.labelLists[known] ?? []);
    this.columns.labels[slot] = known ?? this.internLabels(text, record.labels);
  }

  /** Equal labels become one list, as long as there are not too many different ones. */
  private internLabels(text: string, labels: readonly string[]): number {
    if (this.labelLists.length === MAX_LABEL_LISTS) return NOT_LISTED;
    this.labelIds.set(text, this.labelLists.length);
    return this.labelLists.push(labels) - 1;
  }

  private internHost(host: string): number {
    const known = this.hostIds.get(host);
    if (known !== undefined) return known;
    const id = this.hosts.length;
    this.hosts.push(host);
    this.hostIds.set(host, id);
    return id;
  }
}

function newRecord(runner: string, thresholds: Thresholds): FleetRecord {
  return {
    runner,
    beat: undefined,
    announced: [],
    announcedRows: 0,
    restart: undefined,
    declared: undefined,
    declaredAt: null,
    thresholds,
    current: undefined,
    liveness: { ...UNHEARD },
    labels: [],
    labelText: null,
  };
}

/**
 * Gives the old object the values of the new one. What is kept until the next heartbeat and then
 * dropped outlives the young generation: at 10,000 heartbeats a second the whole heap would have to
 * be collected every few seconds, and everybody waits for that.
 */
function overwritten<T extends object>(old: T, fresh: T): T {
  for (const key in fresh) if (old[key] !== fresh[key]) old[key] = fresh[key];
  return old;
}

function isAlike<T extends object>(one: T | undefined, other: T | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  for (const key in other) if (one[key] !== other[key]) return false;
  return true;
}

function relevant(
  rows: readonly AnnouncedFacts[],
  beat: NamedBeat | undefined,
): readonly AnnouncedFacts[] {
  const newest = newestAnnounced(rows);
  if (newest === undefined) return [];
  const own =
    beat === undefined
      ? undefined
      : newestAnnounced(rows.filter((row) => isSameProcess(row, beat)));
  return own === undefined || own === newest ? [newest] : [newest, own];
}

function parseLabels(text: string): readonly string[] {
  const labels = JSON.parse(text) as Record<string, string>;
  return Object.entries(labels).map(([key, value]) => `${key}:${value}`);
}
