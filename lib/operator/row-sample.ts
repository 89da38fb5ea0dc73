/**
 * Judges the rows of one runner: taken from the database at one moment, and folded again from the
 * runner's own messages up to exactly there.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { clockOf } from "../core/imported-stream.ts";
import type { MessageClock } from "../core/imported-stream.ts";
import { heartbeatSubject, eventSubject, snapshotSubject, streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { openReader } from "../nats/ordered-reader.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import { decoderOf } from "../projector/decode.ts";
import { Fold } from "../projector/fold.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import { copyDefinitions } from "../store/lane-tables.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { Database } from "../store/sqlite.ts";
import type { CheckpointRow } from "../store/tables.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { compareRow } from "./compare-rows.ts";
import type { Difference, Row, Tally } from "./compare-rows.ts";
import { findingOf } from "./findings.ts";
import { rowPairs, rowsOf } from "./row-pairs.ts";
import type { Finding } from "../store/findings.ts";

/** Messages read of one runner and stream; of longer histories the end is judged, in part. */
const MAX_MESSAGES = 20_000;
/**
 * Messages of a stream, whosever, among which a runner's are looked for: they lie compressed in
 * blocks, and the server opens each that may hold one, which of a large fleet are all there are.
 */
const MAX_SPAN = 200_000;
/** Messages that are read one by one of one runner and stream. */
const MAX_SINGLE = 500;
/** After each, the server is left alone for so many times as long as it took, */
const REST = 4;
/** but no longer: what took long was far away. */
const MAX_REST_MS = 50;

export interface SampleOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  /** Open for reading, with no transaction of its own. */
  readonly db: SqliteDatabase;
  readonly projections: readonly AnyProjection[];
  /**
   * Whether messages are read one by one. To open a reader for one runner the server looks through
   * all blocks at once, for a tenth of a second in which a busy one stores and sends nothing.
   */
  readonly isBusy?: boolean;
  /** Ends the reading one by one. */
  readonly signal?: AbortSignal;
  /** Messages of each stream, whosever, that are looked at; for tests. */
  readonly maxSpan?: number;
  /** Messages that are read one by one; for tests. */
  readonly maxSingle?: number;
}

export interface SampleReport {
  /** Projections that could be judged. */
  readonly judged: readonly string[];
  readonly rows: number;
  readonly unjudged: number;
  readonly findings: readonly Finding[];
}

interface Work {
  readonly projection: AnyProjection;
  readonly checkpoint: CheckpointRow;
  readonly live: readonly Row[];
}

const SAMPLED_STREAMS = ["heartbeats", "snapshots", "events"] as const satisfies FoldedStream[];
type SampledStream = (typeof SAMPLED_STREAMS)[number];

/** Whether each of its rows follows from the messages of one runner. */
export function isSampled({ stream, table, appends }: AnyProjection): boolean {
  const isOfRunner = appends ? table.columns.includes("runner") : table.key.includes("runner");
  return isOfRunner && (SAMPLED_STREAMS as readonly string[]).includes(stream);
}

/** @throws AppError `unavailable` when a stream can't be read. */
export async function judgeRunner(options: SampleOptions, runner: RunnerId): Promise<SampleReport> {
  const { db, projections } = options;
  const folded = new Database(":memory:");
  try {
    const works = db.transaction(() => {
      copyDefinitions(db, folded, "checkpoint");
      return projections.filter(isSampled).flatMap((one) => workOf(db, folded, one, runner));
    })();
    const tally: Tally = { compared: 0, unjudged: 0, differences: [] };
    const findings: Finding[] = [];
    const judged: string[] = [];
    for (const stream of new Set(works.map((work) => work.projection.stream as SampledStream))) {
      const ours = works.filter(({ projection }) => projection.stream === stream);
      const firstSeq = await foldAgain(options, folded, stream, runner, ours);
      // The stream was made anew, and the projector has not noticed yet.
      if (firstSeq === undefined) continue;
      for (const work of ours) findings.push(...compare(work, folded, firstSeq, tally));
      judged.push(...ours.map(({ projection }) => projection.name));
    }
    return { judged, rows: tally.compared, unjudged: tally.unjudged, findings };
  } finally {
    folded.close();
  }
}

/** Rows of another version of the fold, or of one that stands still, are nobody's to judge. */
function workOf(
  db: SqliteDatabase,
  folded: SqliteDatabase,
  projection: AnyProjection,
  runner: RunnerId,
): Work[] {
  const { name, version, table } = projection;
  const checkpoint = checkpointStore(db).readAny(name, "main");
  if (checkpoint?.version !== version || checkpoint.state !== "running") return [];
  copyDefinitions(db, folded, table.name);
  const columns = table.columns.map((column) => `"${column}"`).join();
  const order = table.key.map((column) => `"${column}"`).join();
  const sql = `select ${columns} from "${table.name}" where runner = ? order by ${order}`;
  return [{ projection, checkpoint, live: db.prepare(sql).all(runner) as Row[] }];
}

function filterOf(prefixes: Prefixes, stream: SampledStream, runner: RunnerId): string {
  switch (stream) {
    case "heartbeats":
      return heartbeatSubject(prefixes, runner);
    case "snapshots":
      return snapshotSubject(prefixes, runner);
    case "events":
      return eventSubject(prefixes, runner, "*");
  }
}

/** @returns the first sequence that was, and still is, in the stream; undefined: it is another. */
async function foldAgain(
  options: SampleOptions,
  folded: SqliteDatabase,
  stream: SampledStream,
  runner: RunnerId,
  works: readonly Work[],
): Promise<number | undefined> {
  const name = streamName(options.prefixes, stream);
  const { config, state, created } = await options.jsm.streams.info(name);
  if (works.some(({ checkpoint }) => checkpoint.stream_created !== created)) return undefined;
  const upTo = Math.max(0, ...works.map(({ checkpoint }) => checkpoint.seq));
  const filter = filterOf(options.prefixes, stream, runner);
  const source = { name, filter, firstSeq: state.first_seq, upTo, timeOf: clockOf(config) };
  const singles = options.isBusy === true ? await readSingly(options, source) : undefined;
  const from = singles?.from ?? (await readFrom(options, source));
  const start = { stream: name, streamCreated: created, seq: from - 1, time: 0 };
  const checkpoints = checkpointStore(folded);
  const folds = works.map(({ projection, checkpoint }) => {
    const fold = new Fold(folded, projection, "main", start);
    checkpoints.reset(fold.checkpoint, start, null);
    return { fold, upTo: checkpoint.seq };
  });
  const decode = decoderOf(stream, options.prefixes);
  const take = (message: StreamMessage): boolean => {
    if (message.seq > upTo) return false;
    const decoded = decode(message);
    for (const { fold, upTo } of folds)
      if (message.seq <= upTo) fold.take(decoded, message.seq, message.timeMs);
    return message.pending > 0;
  };
  if (singles === undefined) await readSome(options, name, filter, from, take);
  else for (const message of singles.messages) take(message);
  folded.transaction(() => {
    for (const { fold } of folds) fold.write(checkpoints);
  })();
  // What retention removed meanwhile could be missing on either side.
  return Math.max(from, (await options.jsm.streams.info(name)).state.first_seq);
}

/** A runner's messages in a stream, as far as they are looked at. */
interface Source {
  readonly name: string;
  readonly filter: string;
  /** The stream's first sequence. */
  readonly firstSeq: number;
  readonly upTo: number;
  readonly timeOf: MessageClock;
}

/** The last messages, each asked for by itself; of a runner with many only the newest. */
async function readSingly(
  options: SampleOptions,
  source: Source,
): Promise<{ readonly from: number; readonly messages: readonly StreamMessage[] }> {
  for (let span = options.maxSpan ?? MAX_SPAN; ; span = Math.ceil(span / 10)) {
    const from = Math.max(1, source.firstSeq, source.upTo - span + 1);
    const messages = await singleMessages(options, source, from);
    if (messages !== undefined) return { from, messages };
  }
}

/** Undefined where there are too many. */
async function singleMessages(
  { jsm, signal, maxSingle = MAX_SINGLE }: SampleOptions,
  { name, filter, upTo, timeOf }: Source,
  from: number,
): Promise<StreamMessage[] | undefined> {
  const messages: StreamMessage[] = [];
  for (let seq = from; seq <= upTo;) {
    const before = performance.now();
    // Of the leader: a replica may not have all that was folded yet.
    const next = { seq, next_by_subj: filter };
    const message = await jsm.streams.getMessage(name, next);
    if (message === null || message.seq > upTo) break;
    if (messages.length === maxSingle) return undefined;
    const { subject, data, header: headers } = message;
    const timeMs = timeOf(Math.floor(message.time.getTime()), headers);
    messages.push({ subject, data, seq: message.seq, timeMs, pending: 1, headers });
    seq = message.seq + 1;
    const restMs = Math.min(MAX_REST_MS, REST * (performance.now() - before));
    await delay(restMs, undefined, { signal, ref: false });
  }
  return messages;
}

/** Where the last messages of a long history begin, as well as that can be told without reading it. */
async function readFrom(
  options: SampleOptions,
  { name, filter, firstSeq, upTo }: Source,
): Promise<number> {
  const first = Math.max(1, firstSeq, upTo - (options.maxSpan ?? MAX_SPAN) + 1);
  let count = 0;
  await readSome(options, name, filter, first, (message) => {
    count = message.pending + 1;
    return false;
  });
  if (count <= MAX_MESSAGES) return first;
  return Math.max(first, Math.ceil(upTo - ((upTo - first) * MAX_MESSAGES) / count));
}

/** Until `onMessage` says that it is enough, or nothing is left. */
async function readSome(
  { nc, jsm }: SampleOptions,
  stream: string,
  filter: string,
  from: number,
  onMessage: Parameters<typeof openReader>[0]["onMessage"],
): Promise<void> {
  let isDone = false;
  const ended = new EventTarget();
  const atEnd = new Promise<string>((resolve) => {
    ended.addEventListener("end", () => resolve(""), { once: true });
  });
  const finish = (): void => {
    isDone = true;
    ended.dispatchEvent(new Event("end"));
  };
  const reader = await openReader({
    nc,
    jsm,
    stream,
    start: { fromSeq: from },
    filterSubjects: [filter],
    onMessage: (message) => {
      const goesOn = onMessage(message);
      if (!goesOn) finish();
      return goesOn;
    },
    onEnd: finish,
  });
  const why = await Promise.race([atEnd, reader.ended]);
  await reader.close();
  if (!isDone)
    throw new AppError("unavailable", `Stream ${stream} was not read to its end: ${why}`);
}

function compare(work: Work, folded: SqliteDatabase, firstSeq: number, tally: Tally): Finding[] {
  const { projection, checkpoint, live } = work;
  const found: Difference[] = [];
  const own: Tally = { compared: 0, unjudged: 0, differences: found };
  const pairs = rowPairs(
    projection,
    live[Symbol.iterator](),
    rowsOf(folded, projection.table, "main"),
  );
  for (const [a, b] of pairs) compareRow(projection, a, b, firstSeq, own);
  tally.compared += own.compared;
  tally.unjudged += own.unjudged;
  return found.map((one) => findingOf(projection.name, checkpoint.stream, one));
}
