/**
 * Keeps the fleet in memory up to date with the status tables: all of it once, then what has
 * changed since. It is read anew, in slices beside the old one, when the tables are others than
 * before: another lane, a rebuilt projection, rows that retention took.
 */
import type { CheckpointView, DeclaredRunner } from "../core/read-models.ts";
import type { Thresholds } from "../core/status.ts";
import { checkpointReader, checkpointSeq } from "./read-checkpoints.ts";
import { fleetFacts, SLICE_ROWS } from "./read-fleet-facts.ts";
import type { FleetFacts, Watermarks } from "./read-fleet-facts.ts";
import { FleetTable } from "./read-fleet-table.ts";
import type { SqliteDatabase } from "./open.ts";
import type { ServedLane } from "./lanes.ts";

/** How long one turn may read before others have theirs. */
const TURN_MS = 8;
/** Counting rows costs time in proportion to them: this many are counted per ms of waiting. */
const COUNTED_ROWS_PER_MS = 20;
/** Names of hosts that runners once had and have no more are forgotten beyond this many. */
const MAX_SPARE_HOSTS = 10_000;

/** The projections that the fleet is read from, the one of the heartbeats first. */
export const FLEET_PROJECTIONS = [
  "latest_heartbeat",
  "process_lifecycle",
  "restart_state",
] as const;

export interface FleetIndexOptions {
  readonly db: SqliteDatabase;
  readonly thresholds: Thresholds;
  /** Of the fleet file, each with the time since when it is looked for. */
  readonly declared: ReadonlyMap<string, { runner: DeclaredRunner; at: number }>;
}

interface Loading {
  readonly table: FleetTable;
  readonly facts: FleetFacts;
  readonly marks: Watermarks;
  readonly steps: Iterator<void>;
}

/** What the tables are, apart from what is in them. */
interface Sources {
  readonly lane: ServedLane;
  /** Versions and streams that the projections are folded by and from. */
  readonly origin: string;
  readonly seqs: readonly number[];
}

function sourcesOf(lane: ServedLane, rows: readonly CheckpointView[]): Sources {
  const own = rows.filter(
    (row) => row.lane === lane && (FLEET_PROJECTIONS as readonly string[]).includes(row.projection),
  );
  return {
    lane,
    origin: own
      .map((row) => `${row.projection}/${row.version}/${row.generation}/${row.stream_created}`)
      .join(" "),
    seqs: FLEET_PROJECTIONS.map((name) => checkpointSeq(own, name, lane)),
  };
}

function isAnother(one: Sources, before: Sources): boolean {
  if (one.lane !== before.lane) return true;
  // A projection's first checkpoint is no reason to read everything again.
  if (before.origin !== "" && one.origin !== before.origin) return true;
  return one.seqs.some((seq, index) => seq < (before.seqs[index] ?? 0));
}

export class FleetIndex {
  private readonly db: SqliteDatabase;
  private readonly thresholds: Thresholds;
  private declared: FleetIndexOptions["declared"];
  private readonly readSources: () => Sources;
  private readonly inTransaction: (work: () => void) => void;
  private table: FleetTable | undefined;
  private facts: FleetFacts | undefined;
  private marks: Watermarks = { beats: 0, announced: 0, restarts: 0 };
  private sources: Sources | undefined;
  private loading: Loading | undefined;
  private dataVersion = -1;
  private isBehind = true;
  /** Sequence up to which everything was in memory once: no row tells of messages that made none. */
  private readUpTo = 0;
  private countedAt = -Infinity;
  private loadStartedAt = 0;
  /** How long the last complete reading took, waiting included. */
  loadedInMs: number | null = null;

  constructor({ db, thresholds, declared }: FleetIndexOptions) {
    this.db = db;
    this.thresholds = thresholds;
    this.declared = declared;
    const checkpoints = checkpointReader(db);
    this.readSources = () => sourcesOf(checkpoints.lane(), checkpoints.all());
    this.inTransaction = db.transaction((work: () => void) => work());
  }

  get isLoaded(): boolean {
    return this.table !== undefined;
  }

  /** More is waiting to be read than one turn's share. */
  get hasMore(): boolean {
    return this.isBehind;
  }

  get size(): number {
    return this.table?.records.length ?? 0;
  }

  /** How far the HEARTBEATS stream is in what is in memory. */
  get seq(): number {
    const folded = this.sources?.seqs[0] ?? 0;
    return this.isBehind ? Math.min(folded, Math.max(this.marks.beats, this.readUpTo)) : folded;
  }

  /** What its tables are made by and from: rows of another origin may differ in anything. */
  get origin(): string {
    return `${this.lane} ${this.sources?.origin ?? ""}`;
  }

  get lane(): ServedLane {
    return this.sources?.lane ?? "main";
  }

  /** Reads what has changed, for at most one turn. Cheap where nothing has. */
  refresh(): void {
    const version = this.db.pragma("data_version", { simple: true }) as number;
    if (version === this.dataVersion && !this.isBehind) return;
    this.dataVersion = version;
    this.inTransaction(() => this.refreshInside());
  }

  /** The fleet, read to its end if that has not happened yet. Call within a transaction. */
  current(): FleetTable {
    while (this.table === undefined) this.refreshInside();
    return this.table;
  }

  declare(declared: FleetIndexOptions["declared"]): void {
    const before = this.declared;
    this.declared = declared;
    for (const table of [this.table, this.loading?.table]) {
      if (table === undefined) continue;
      for (const name of before.keys()) {
        if (!declared.has(name)) table.setDeclared(name, undefined, null);
      }
      this.declareIn(table);
    }
  }

  /** Reads everything as it stands for the runner: for a row that is newer than the index. */
  refreshRunner(runner: string): void {
    const { facts, table } = this;
    if (facts === undefined || table === undefined || facts.lane !== this.lane) return;
    const beat = facts.beats.ofRunner(runner);
    if (beat !== undefined) table.setBeat(beat, facts.announced.ofRunner);
  }

  private refreshInside(): void {
    const sources = this.readSources();
    if (this.sources === undefined || isAnother(sources, this.sources)) this.beginLoading(sources);
    this.readUpTo = Math.min(this.readUpTo, sources.seqs[0] ?? 0);
    this.sources = sources;
    if (this.loading === undefined) this.readChanges();
    else this.continueLoading(this.loading);
  }

  private beginLoading({ lane }: Sources): void {
    const facts = fleetFacts(this.db, lane);
    const table = new FleetTable(this.thresholds);
    this.declareIn(table);
    const steps = loadSteps(facts, table);
    // Changes that come while loading lie above these marks and are read after it.
    this.loading = { table, facts, marks: facts.watermarks(), steps };
    this.loadStartedAt = performance.now();
    this.isBehind = true;
  }

  private continueLoading(loading: Loading): void {
    const deadline = performance.now() + TURN_MS;
    while (performance.now() < deadline) {
      if (loading.steps.next().done !== true) continue;
      this.table = loading.table;
      this.facts = loading.facts;
      this.marks = loading.marks;
      this.loading = undefined;
      this.countedAt = performance.now();
      this.loadedInMs = performance.now() - this.loadStartedAt;
      this.readChanges();
      return;
    }
  }

  private readChanges(): void {
    const { facts, table, marks } = this;
    if (facts === undefined || table === undefined) return;
    const deadline = performance.now() + TURN_MS;
    this.isBehind = true;
    while (performance.now() < deadline) {
      if (readSlice(facts, table, marks)) continue;
      this.isBehind = false;
      this.readUpTo = this.sources?.seqs[0] ?? 0;
      this.compareCounts(facts, table);
      return;
    }
  }

  /** Rows that vanished leave no trace but their number. */
  private compareCounts(facts: FleetFacts, table: FleetTable): void {
    const now = performance.now();
    const { beats, announced, restarts } = table.rows;
    const rows = beats + announced + restarts;
    if (now - this.countedAt < rows / COUNTED_ROWS_PER_MS) return;
    this.countedAt = now;
    const isWhole =
      facts.beats.count() === beats &&
      facts.announced.count() === announced &&
      facts.restarts.count() === restarts;
    const hasSpareHosts = table.hosts.length > table.records.length + MAX_SPARE_HOSTS;
    if (isWhole && !hasSpareHosts) return;
    this.beginLoading(this.readSources());
    if (this.loading !== undefined) this.continueLoading(this.loading);
  }

  private declareIn(table: FleetTable): void {
    for (const [name, { runner, at }] of this.declared) table.setDeclared(name, runner, at);
  }
}

/** Reads the next changed rows of each table; false once that were all there are. */
function readSlice(facts: FleetFacts, table: FleetTable, marks: Watermarks): boolean {
  const beats = facts.beats.changedSince(marks.beats);
  for (const row of beats) table.setBeat(row, facts.announced.ofRunner);
  marks.beats = beats.at(-1)?.last_seq ?? marks.beats;
  const announced = facts.announced.changedSince(marks.announced);
  for (const runner of new Set(announced.map((row) => row.runner))) {
    table.setAnnounced(runner, facts.announced.ofRunner(runner));
  }
  marks.announced = announced.at(-1)?.last_seq ?? marks.announced;
  const restarts = facts.restarts.changedSince(marks.restarts);
  for (const row of restarts) table.setRestart(row);
  marks.restarts = restarts.at(-1)?.last_seq ?? marks.restarts;
  return [beats, announced, restarts].some((rows) => rows.length === SLICE_ROWS);
}

/** Reads all rows, slice by slice. Announced processes come last: which matter, heartbeats tell. */
function* loadSteps(facts: FleetFacts, table: FleetTable): Generator<void, void, void> {
  for (const rows of facts.beats.slices()) {
    for (const row of rows) table.setBeat(row, () => []);
    yield;
  }
  for (const rows of facts.restarts.slices()) {
    for (const row of rows) table.setRestart(row);
    yield;
  }
  for (const groups of facts.announced.slices()) {
    for (const rows of groups) table.setAnnounced(rows[0]?.runner ?? "", rows);
    yield;
  }
  // Sorting all names takes its time too: better now than at the first request.
  table.names();
}
