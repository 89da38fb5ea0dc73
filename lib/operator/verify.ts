/**
 * Folds the streams again, beside the live tables, and compares every row. The live tables are
 * taken as they are at one moment; the streams are folded up to exactly the same sequences.
 */
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { openReader } from "../nats/ordered-reader.ts";
import { decoderOf } from "../projector/decode.ts";
import { Fold } from "../projector/fold.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import { openDatabase, openReadOnly } from "../store/open.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { makeUserTables, userTableProblem } from "../store/user-tables.ts";
import type { CheckpointRow } from "../store/tables.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { compareRow } from "./compare-rows.ts";
import type { Difference, Tally } from "./compare-rows.ts";
import { rowPairs, rowsOf } from "./row-pairs.ts";

/** Messages folded in memory between two writes. */
const BATCH_MESSAGES = 50_000;

export interface VerifyOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly databaseFile: string;
  /** An empty folder for the copy and the second fold; the caller removes it. */
  readonly workDir: string;
  readonly onProgress?: (text: string) => void;
}

export interface TableReport extends Tally {
  readonly projection: string;
  readonly table: string;
  /** Up to which sequence of which stream both were folded. */
  readonly stream: string;
  readonly seq: number;
  /** Of the live table. */
  readonly generation: number;
  /** Set where it could not be compared at all. */
  readonly problem: string | undefined;
}

export interface VerifyReport {
  readonly tables: readonly TableReport[];
  readonly differences: number;
  readonly unjudged: number;
}

interface Work {
  readonly projection: AnyProjection;
  readonly checkpoint: CheckpointRow;
  fold: Fold | undefined;
  problem: string | undefined;
  firstSeq: number;
}

/** @throws AppError `unavailable` when database or streams can't be read. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const live = copyOf(options.databaseFile, options.workDir);
  try {
    const folded = await openDatabase(join(options.workDir, "folded.db"));
    folded.pragma("synchronous = OFF");
    makeUserTables(folded, options.projections);
    try {
      return await verifyWith(options, live, folded);
    } finally {
      folded.close();
    }
  } finally {
    live.close();
  }
}

/** One moment of the live database, taken without holding up the projector. */
function copyOf(file: string, workDir: string): SqliteDatabase {
  const source = openReadOnly(file);
  const copy = join(workDir, "live.db");
  try {
    source.prepare("vacuum into ?").run(copy);
  } finally {
    source.close();
  }
  return openReadOnly(copy);
}

async function verifyWith(
  options: VerifyOptions,
  live: SqliteDatabase,
  folded: SqliteDatabase,
): Promise<VerifyReport> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const works = options.projections.map((projection) => workOf(live, projection));
  const streams = new Set(options.projections.map(({ stream }) => stream as FoldedStream));
  for (const stream of streams) {
    const ours = works.filter(({ projection }) => projection.stream === stream);
    await foldStream(options, jsm, folded, stream, ours);
  }
  const tables = works.map((work) => compareTables(work, live, folded));
  return {
    tables,
    differences: tables.reduce(
      (sum, { differences, problem }) => sum + differences.length + (problem === undefined ? 0 : 1),
      0,
    ),
    unjudged: tables.reduce((sum, { unjudged }) => sum + unjudged, 0),
  };
}

function workOf(live: SqliteDatabase, projection: AnyProjection): Work {
  const { name, version } = projection;
  const checkpoint = checkpointStore(live).readAny(name, "main");
  if (checkpoint === undefined) {
    throw new AppError(
      "unavailable",
      `Projection ${name} has no checkpoint in the database: start \`runbeat projector\` once, then verify`,
    );
  }
  const problem =
    checkpoint.version === version
      ? userTableProblem(live, projection)
      : `its rows are of version ${checkpoint.version} of its fold and this is version ${version}: \`runbeat rebuild ${name}\` makes them anew`;
  return { projection, checkpoint, fold: undefined, problem, firstSeq: 0 };
}

async function foldStream(
  options: VerifyOptions,
  jsm: JetStreamManager,
  db: SqliteDatabase,
  stream: FoldedStream,
  works: Work[],
): Promise<void> {
  const name = streamName(options.prefixes, stream);
  const info = await jsm.streams.info(name);
  for (const work of works) {
    work.problem ??= problemOf(work.checkpoint, info.created, info.state.last_seq);
    if (work.problem !== undefined) continue;
    const start = {
      stream: name,
      streamCreated: info.created,
      seq: info.state.first_seq - 1,
      time: 0,
    };
    work.fold = new Fold(db, work.projection, "main", start);
    checkpointStore(db).reset(work.fold.checkpoint, start, null);
  }
  const judged = works.filter((work) => work.fold !== undefined);
  const end = Math.max(0, ...judged.map((work) => work.checkpoint.seq));
  if (end >= info.state.first_seq) {
    await foldUpTo(options, jsm, db, stream, judged, info.state.first_seq, end);
  }
  // What retention removed meanwhile could be missing on either side.
  const { state } = await jsm.streams.info(name);
  for (const work of judged) work.firstSeq = state.first_seq;
}

function problemOf(
  checkpoint: CheckpointRow,
  created: string,
  lastSeq: number,
): string | undefined {
  const { stream, seq } = checkpoint;
  if (checkpoint.stream_created !== created) {
    return `stream ${stream} was recreated on ${created} and the projector has not folded it yet`;
  }
  if (seq > lastSeq) {
    return `its checkpoint ${seq} is past the end ${lastSeq} of stream ${stream}, and the projector has not noticed yet`;
  }
  return undefined;
}

async function foldUpTo(
  options: VerifyOptions,
  jsm: JetStreamManager,
  db: SqliteDatabase,
  stream: FoldedStream,
  works: readonly Work[],
  from: number,
  end: number,
): Promise<void> {
  const decode = decoderOf(stream, options.prefixes);
  const name = streamName(options.prefixes, stream);
  let seq = from - 1;
  let inBatch = 0;
  while (seq < end) {
    const reader = await openReader({
      nc: options.nc,
      jsm,
      stream: name,
      start: { fromSeq: seq + 1 },
      onMessage: (message) => {
        if (message.seq > end) return false;
        const decoded = decode(message);
        for (const work of works) {
          if (message.seq <= work.checkpoint.seq)
            work.fold?.take(decoded, message.seq, message.timeMs);
        }
        seq = message.seq;
        inBatch += 1;
        if (inBatch >= BATCH_MESSAGES) {
          inBatch = 0;
          writeBatch(db, works);
          options.onProgress?.(`${name}: ${seq - from + 1} of ${end - from + 1} messages folded`);
        }
        return message.seq < end && message.pending > 0;
      },
      onEnd: () => {
        seq = end;
      },
    });
    if (seq < end) await reader.ended;
    await reader.close();
  }
  writeBatch(db, works);
}

function writeBatch(db: SqliteDatabase, works: readonly Work[]): void {
  const checkpoints = checkpointStore(db);
  db.transaction(() => {
    for (const { fold } of works) fold?.write(checkpoints);
  }).immediate();
  for (const work of works) {
    work.fold?.settle();
    const stop = work.fold?.stopped;
    if (stop !== undefined) work.problem = `its fold fails on message ${stop.seq}: ${stop.error}`;
  }
}

function compareTables(work: Work, live: SqliteDatabase, folded: SqliteDatabase): TableReport {
  const { projection, checkpoint, problem, firstSeq } = work;
  const tally: Tally = { compared: 0, unjudged: 0, differences: [] as Difference[] };
  const report = {
    projection: projection.name,
    table: projection.table.name,
    stream: checkpoint.stream,
    seq: checkpoint.seq,
    generation: checkpoint.generation,
    problem,
  };
  if (problem !== undefined) return { ...report, ...tally };
  const ours = rowsOf(live, projection.table, "main");
  const theirs = rowsOf(folded, projection.table, "main");
  for (const [a, b] of rowPairs(projection, ours, theirs))
    compareRow(projection, a, b, firstSeq, tally);
  return { ...report, ...tally };
}
