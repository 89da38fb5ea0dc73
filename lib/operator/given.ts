/**
 * For tests of projections: `given(messages).fold(projection).expect(rows)`. The messages go the
 * way of real ones, through the same decoder; no server and no database is needed.
 */
import { deepStrictEqual } from "node:assert";
import { parseRunnerId } from "../core/runner-id.ts";
import {
  DEFAULT_PREFIXES,
  eventSubject,
  heartbeatSubject,
  subjectPrefix,
} from "../core/subject.ts";
import { AppError, messageOf } from "../core/errors.ts";
import { decoderOf } from "../projector/decode.ts";
import { isUserProjection, rowOf } from "../../projections/define.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";

/** Where the time of messages begins that have none of their own: 2026-01-01T00:00:00Z. */
const START_MS = Date.UTC(2026, 0, 1);
const STEP_MS = 1_000;

/** A message for a stream. */
export interface GivenMessage {
  readonly stream: FoldedStream;
  readonly subject: string;
  readonly body: object;
  /** Stream time, epoch ms; a second after the message before it unless given. */
  readonly at?: number | undefined;
}

interface Place {
  readonly at?: number;
}

/** A heartbeat of a runner; `pid` is 1 unless the body says another. */
export function heartbeat(runner: string, body: object = {}, { at }: Place = {}): GivenMessage {
  const subject = heartbeatSubject(DEFAULT_PREFIXES, parseRunnerId(runner));
  return { stream: "heartbeats", subject, body: { pid: 1, ...body }, at };
}

/** An event of a runner; `process_…` events are of pid 1 on host `test` unless the body says so. */
export function event(
  runner: string,
  type: string,
  body: object = {},
  { at }: Place = {},
): GivenMessage {
  const subject = eventSubject(DEFAULT_PREFIXES, parseRunnerId(runner), type);
  const process = type.startsWith("process_") ? { host: "test", pid: 1, started_at: 0 } : {};
  return { stream: "events", subject, body: { v: 1, by: "test", ...process, ...body }, at };
}

/** A message of any stream. @param tokens its subject behind the stream's prefix. */
export function message(
  stream: FoldedStream,
  tokens: string,
  body: object,
  { at }: Place = {},
): GivenMessage {
  return { stream, subject: subjectPrefix(DEFAULT_PREFIXES, stream) + tokens, body, at };
}

type Row = Record<string, unknown>;

export interface Folded {
  /** Rows in the order of their keys, JSON columns as objects. */
  readonly rows: readonly Row[];
  /**
   * Compares the rows with these, in the order of their keys; only the columns that are named.
   * @throws AssertionError where they differ.
   */
  expect(rows: readonly Row[]): void;
}

/** Messages in the order in which their streams store them. */
export function given(messages: readonly GivenMessage[]): {
  /**
   * Folds those of the projection's stream.
   * @throws AppError `invalid` for a message that can't be folded, and for a fold that does not
   *   give the same rows every time.
   */
  fold(projection: AnyProjection): Folded;
} {
  return { fold: (projection) => foldedTwice(projection, messages) };
}

/** A fold that looks at a clock, draws lots or changes what it was given is found out. */
function foldedTwice(projection: AnyProjection, messages: readonly GivenMessage[]): Folded {
  const rows = foldRows(projection, messages);
  try {
    deepStrictEqual(foldRows(projection, messages), rows);
  } catch (error) {
    throw new AppError(
      "invalid",
      `Projection ${projection.name} gives other rows the second time: a fold may use nothing but the row and the message (${messageOf(error)})`,
      { cause: error },
    );
  }
  return { rows, expect: (expected) => compare(rows, expected) };
}

function foldRows(projection: AnyProjection, messages: readonly GivenMessage[]): Row[] {
  const decode = decoderOf(projection.stream, DEFAULT_PREFIXES);
  const rows = new Map<string, Row>();
  const places = placesOf(messages);
  for (const [index, one] of messages.entries()) {
    if (one.stream !== projection.stream) continue;
    const { seq, timeMs } = places[index] ?? { seq: 0, timeMs: 0 };
    const data = Buffer.from(JSON.stringify(one.body));
    const decoded = decode({ ...NOTHING, seq, timeMs, subject: one.subject, data });
    if (decoded === undefined) {
      throw new AppError(
        "invalid",
        `Message ${seq} on ${one.subject} can't be folded, it would go to quarantine: ${JSON.stringify(one.body).slice(0, 200)}`,
      );
    }
    const key = projection.appends ? String(seq) : projection.key(decoded);
    if (key === undefined) continue;
    const before = rows.get(key);
    const after = projection.evolve(before && Object.freeze({ ...before }), decoded) as
      Row | undefined;
    if (after !== undefined) rows.set(key, after);
  }
  return [...rows.values()].toSorted((a, b) => byKey(projection, a, b)).map(shownBy(projection));
}

/** What a message from the server has beside these. */
const NOTHING = { pending: 0, headers: undefined } as const;

/** Each stream counts its own messages; time goes on over all of them. */
function placesOf(messages: readonly GivenMessage[]): { seq: number; timeMs: number }[] {
  const counts = new Map<FoldedStream, number>();
  let timeMs = START_MS - STEP_MS;
  return messages.map(({ stream, at }) => {
    const seq = (counts.get(stream) ?? 0) + 1;
    counts.set(stream, seq);
    timeMs = at ?? timeMs + STEP_MS;
    return { seq, timeMs };
  });
}

function byKey({ table }: AnyProjection, a: Row, b: Row): number {
  for (const column of table.key) {
    const [x, y] = [a[column] as string | number, b[column] as string | number];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function shownBy(projection: AnyProjection): (row: Row) => Row {
  if (!isUserProjection(projection)) return (row) => row;
  return (row) => ({
    ...rowOf({ columns: projection.userColumns }, row),
    first_seq: row["first_seq"],
    last_seq: row["last_seq"],
  });
}

function compare(rows: readonly Row[], expected: readonly Row[]): void {
  const shown = rows.map((row, index) => {
    const named = Object.keys(expected[index] ?? row);
    return Object.fromEntries(named.map((column) => [column, row[column]]));
  });
  deepStrictEqual(shown, [...expected]);
}
