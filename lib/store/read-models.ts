/**
 * The read models in a SQLite file, as the API reads them. The file may not be there yet, and may
 * be removed and made again under a running reader: the path is looked at again and again.
 */
import type { StandingView } from "../core/standing.ts";
import { statSync } from "node:fs";
import { AppError } from "../core/errors.ts";
import type { DeclaredRunner, Moment, ReadModels, RunnerView } from "../core/read-models.ts";
import { STATUSES } from "../core/status.ts";
import type { Status, Thresholds } from "../core/status.ts";
import { openReadOnly } from "./open.ts";
import type { SqliteDatabase } from "./open.ts";
import { alertReader } from "./read-alerts.ts";
import type { AlertReader } from "./read-alerts.ts";
import { checkpointReader, checkpointSeq } from "./read-checkpoints.ts";
import type { CheckpointReader } from "./read-checkpoints.ts";
import { FleetFeed } from "./read-fleet-feed.ts";
import { FleetIndex } from "./read-fleet-index.ts";
import { scanFleet, summarizeFleet } from "./read-fleet-scan.ts";
import type { FleetTable } from "./read-fleet-table.ts";
import { processReader } from "./read-processes.ts";
import { figureReader, runnerView } from "./read-runners.ts";
import type { FigureReader } from "./read-runners.ts";
import { standingReader } from "./read-standing.ts";
import { readUserRows } from "./read-user-rows.ts";
import { snapshotReader } from "./read-snapshots.ts";
import type { SnapshotReader } from "./read-snapshots.ts";
import type { ServedLane } from "./lanes.ts";
import { quarantineReader, timelineReader } from "./read-timeline.ts";
import type { QuarantineReader, TimelineReader } from "./read-timeline.ts";

const REFRESH_EVERY_MS = 100;
/** How often the path is compared with the file that is open. */
const LOOK_EVERY_MS = 500;

export interface ReadModelOptions {
  readonly file: string;
  readonly thresholds: Thresholds;
  /** Open already, and nobody writes to it: read instead of the file, and closed with the models. */
  readonly db?: SqliteDatabase;
}

/** Everything that hangs on one open database. */
interface Session {
  readonly db: SqliteDatabase;
  /** Which file it is, whatever its name. */
  readonly inode: number;
  readonly index: FleetIndex;
  readonly checkpoints: CheckpointReader;
  readonly snapshots: SnapshotReader;
  readonly timeline: TimelineReader;
  readonly quarantine: QuarantineReader;
  readonly alerts: AlertReader;
  readonly standing: () => StandingView;
  readonly figures: Readonly<Record<ServedLane, FigureReader>>;
  /** Runs in one read transaction, so that all of an answer is of one moment. */
  readonly transact: <T>(work: () => T) => T;
}

type Declared = Map<string, { runner: DeclaredRunner; at: number }>;

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function openSession(
  { file, thresholds, db: given }: ReadModelOptions,
  inode: number,
  declared: Declared,
): Session {
  const db = given ?? openReadOnly(file);
  try {
    return {
      db,
      inode,
      index: new FleetIndex({ db, thresholds, declared }),
      checkpoints: checkpointReader(db),
      snapshots: snapshotReader(db),
      timeline: timelineReader(db),
      quarantine: quarantineReader(db),
      alerts: alertReader(db),
      standing: standingReader(db),
      figures: { main: figureReader(db, "main"), fast: figureReader(db, "fast") },
      transact: <T>(work: () => T): T => db.transaction(work)(),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

function viewOf(
  { index, figures }: Session,
  table: FleetTable,
  slot: number,
  moment: Moment,
): RunnerView {
  const record = table.record(slot);
  // While more is waiting to be read, the row on disk may be newer than what is in memory.
  if (index.hasMore) index.refreshRunner(record.runner);
  return runnerView(record, figures[index.lane], moment);
}

/** Whether lists show it unless they are asked for the retired. */
function isShown({ columns }: FleetTable, slot: number): boolean {
  return columns.listed[slot] === 1 && columns.retired[slot] === 0;
}

class SqliteReadModels implements ReadModels {
  private readonly options: ReadModelOptions;
  private readonly timer: NodeJS.Timeout | undefined;
  private declared: Declared = new Map();
  private session: Session | undefined;
  private readonly feed = new FleetFeed();
  private lookedAt = -Infinity;
  private turn: NodeJS.Immediate | undefined;

  constructor(options: ReadModelOptions) {
    this.options = options;
    if (options.db === undefined) {
      this.timer = setInterval(() => this.refreshInBackground(), REFRESH_EVERY_MS);
      this.timer.unref();
    }
    this.refreshInBackground();
  }

  runners(query: Parameters<ReadModels["runners"]>[0], moment: Moment) {
    return this.withFleet((session, table) => {
      const page = scanFleet(table, query, moment);
      const items = page.slots.map((slot) => viewOf(session, table, slot, moment));
      return { items, next: page.next, seq: session.index.seq };
    });
  }

  runner(runner: string, moment: Moment): { view: RunnerView | undefined; seq: number } {
    return this.withFleet((session, table) => {
      const slot = table.slotOf(runner);
      const isKnown = slot !== undefined && table.columns.listed[slot] === 1;
      const view = isKnown ? viewOf(session, table, slot, moment) : undefined;
      return { view, seq: session.index.seq };
    });
  }

  runnersNamed(names: readonly string[], moment: Moment): (RunnerView | undefined)[] {
    return this.withFleet((session, table) =>
      names.map((name) => {
        const slot = table.slotOf(name);
        if (slot === undefined || !isShown(table, slot)) return undefined;
        return viewOf(session, table, slot, moment);
      }),
    );
  }

  changes(moment: Moment, withStatuses: boolean) {
    return this.withFleet(({ index }, table) => {
      const { slots, vanished } = this.feed.poll(table, index.origin, moment, withStatuses);
      const shown: string[] = [];
      const gone = [...vanished];
      for (const slot of slots)
        (isShown(table, slot) ? shown : gone).push(table.record(slot).runner);
      return { shown, gone, seq: index.seq };
    });
  }

  summary(moment: Moment) {
    return this.withFleet(({ index }, table) => ({
      ...summarizeFleet(table, moment),
      seq: index.seq,
    }));
  }

  watch(moment: Moment, show: Parameters<ReadModels["watch"]>[1]): boolean {
    return this.withFleet(({ index }, table) => {
      if (index.hasMore) return false;
      table.useView(moment);
      for (const [slot, record] of table.records.entries()) {
        if (table.columns.listed[slot] !== 1) continue;
        show(record, STATUSES[table.statusAt(slot, moment.now)] as Status);
      }
      return true;
    });
  }

  async processes(query: Parameters<ReadModels["processes"]>[0], moment: Moment) {
    const { index, db } = this.open();
    index.refresh();
    const { seq } = index;
    const reader = processReader(db, index.lane);
    try {
      return { ...(await reader.page(query, moment, (runner) => this.expected(runner))), seq };
    } catch (error) {
      if (db.open) throw error;
      throw new AppError("unavailable", "The read models were replaced meanwhile: ask again");
    }
  }

  snapshots(query: Parameters<ReadModels["snapshots"]>[0]) {
    return this.withSeq("runner_heartbeat", ({ snapshots }) => snapshots.page(query));
  }

  buckets(query: Parameters<ReadModels["buckets"]>[0]) {
    return this.withSeq("runner_heartbeat", ({ snapshots }) => snapshots.buckets(query));
  }

  timeline(query: Parameters<ReadModels["timeline"]>[0]) {
    return this.withSeq("timeline", ({ timeline }) => timeline.page(query));
  }

  eventsAfter(seq: number, limit: number) {
    return this.open().timeline.after(seq, limit);
  }

  quarantine(query: Parameters<ReadModels["quarantine"]>[0]) {
    return this.withSeq("quarantine", ({ quarantine }) => quarantine.page(query));
  }

  alerts(query: Parameters<ReadModels["alerts"]>[0]) {
    return this.withSeq("alert", ({ alerts }) => alerts.alerts(query));
  }

  silences(query: Parameters<ReadModels["silences"]>[0]) {
    return this.withSeq("silence", ({ alerts }) => alerts.silences(query));
  }

  userRows(query: Parameters<ReadModels["userRows"]>[0]) {
    return this.withSeq(query.projection, ({ db }) => readUserRows(db, query));
  }

  checkpoints() {
    const { checkpoints, transact } = this.open();
    return transact(() => ({ lane: checkpoints.lane(), rows: checkpoints.all() }));
  }

  isRegistered(runner: string): boolean {
    return this.withFleet((_, table) => {
      const slot = table.slotOf(runner);
      return slot !== undefined && (table.record(slot).restart?.registered_at ?? null) !== null;
    });
  }

  isDeclared(runner: string): boolean {
    return this.declared.has(runner);
  }

  declare(runners: readonly DeclaredRunner[], at: number): void {
    const before = this.declared;
    this.declared = new Map(
      runners.map((runner) => [runner.runner, { runner, at: before.get(runner.runner)?.at ?? at }]),
    );
    this.session?.index.declare(this.declared);
  }

  isLoaded(): boolean {
    return this.session?.index.isLoaded ?? false;
  }

  health() {
    const { index } = this.open();
    const { file } = this.options;
    return {
      file,
      walBytes: sizeOf(`${file}-wal`),
      runners: index.size,
      loadedInMs: index.loadedInMs,
    };
  }

  standing(): StandingView {
    const { standing, transact } = this.open();
    return transact(standing);
  }

  close(): void {
    clearInterval(this.timer);
    clearImmediate(this.turn);
    this.session?.db.close();
    this.session = undefined;
  }

  private expected(runner: string): { thresholds: Thresholds; intervalSec: number | null } {
    const declared = this.declared.get(runner)?.runner;
    return {
      thresholds: { ...this.options.thresholds, ...declared?.thresholds },
      intervalSec: declared?.intervalSec ?? null,
    };
  }

  private withFleet<T>(work: (session: Session, table: FleetTable) => T): T {
    const session = this.open();
    return session.transact(() => {
      session.index.refresh();
      return work(session, session.index.current());
    });
  }

  private withSeq<T extends object>(
    projection: string,
    work: (session: Session) => T,
  ): T & { seq: number } {
    const session = this.open();
    return session.transact(() => ({
      ...work(session),
      seq: checkpointSeq(session.checkpoints.all(), projection),
    }));
  }

  private refreshInBackground(): void {
    clearImmediate(this.turn);
    try {
      const { index } = this.open();
      index.refresh();
      if (index.hasMore) this.turn = setImmediate(() => this.refreshInBackground());
    } catch {
      // No database yet, or one that is being made: whoever asks is told, and the timer goes on.
    }
  }

  private open(): Session {
    if (this.options.db !== undefined) {
      this.session ??= openSession(this.options, 0, this.declared);
      return this.session;
    }
    const now = performance.now();
    if (this.session !== undefined && now - this.lookedAt < LOOK_EVERY_MS) return this.session;
    this.lookedAt = now;
    const inode = inodeOf(this.options.file);
    if (this.session !== undefined && this.session.inode !== inode) {
      this.session.db.close();
      this.session = undefined;
    }
    this.session ??= this.openAnew(inode);
    return this.session;
  }

  private openAnew(inode: number | undefined): Session {
    const { file } = this.options;
    if (inode === undefined) {
      throw new AppError(
        "unavailable",
        `There are no read models yet: ${file} does not exist. Start the projector, it makes them`,
      );
    }
    try {
      return openSession(this.options, inode, this.declared);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError(
        "unavailable",
        `The read models in ${file} can't be read yet (${String(error)}). Start the projector, it makes them`,
        { cause: error },
      );
    }
  }
}

/** Opens the read models for reading. Never fails: what is not there yet is looked for again. */
export function openReadModels(options: ReadModelOptions): ReadModels {
  return new SqliteReadModels(options);
}
