/** From where a state is folded: the newest mark that the moment has passed, or nothing at all. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { timeOfSeq } from "../nats/message-time.ts";
import type { StreamPlace } from "../nats/stream-times.ts";
import { openPacked } from "../store/mark-image.ts";
import type { Mark, MarkPosition, MarkStore } from "../store/mark-store.ts";
import { openInMemory } from "../store/open.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";

export type Places = Readonly<Record<FoldedStream, StreamPlace>>;

export interface StateBase {
  readonly db: SqliteDatabase;
  /** Undefined: the tables are empty. */
  readonly mark: Mark | undefined;
}

export interface BaseOptions {
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly marks: MarkStore | undefined;
}

/** Marks that no longer follow from the streams are removed on the way. */
export async function openBase(options: BaseOptions, places: Places): Promise<StateBase> {
  const { marks } = options;
  for (const mark of usableMarks(options, places)) {
    const isTrue = await followsStill(options, mark, places);
    const packed = isTrue ? marks?.read(mark.id) : undefined;
    if (packed !== undefined) return { db: await openPacked(packed), mark };
    if (!isTrue) marks?.remove([mark.id]);
  }
  return { db: await openInMemory(), mark: undefined };
}

/** Marks from which the state can be folded, newest first. */
export function usableMarks({ marks, projections }: BaseOptions, places: Places): Mark[] {
  const told = projections.filter(({ tellsStatus }) => tellsStatus);
  return (marks?.list() ?? []).filter(({ positions }) =>
    told.every((projection) => {
      const position = positions.find((one) => one.projection === projection.name);
      const place = places[projection.stream as FoldedStream];
      return position !== undefined && isUsable(projection, position, place);
    }),
  );
}

/** What came after the mark must still be there, as far as the moment reaches. */
function isUsable(
  { version }: AnyProjection,
  position: MarkPosition,
  { created, seq, firstSeq }: StreamPlace,
): boolean {
  if (position.version !== version || position.created !== created) return false;
  return position.seq <= seq && position.seq >= firstSeq - 1;
}

/** The end of a stream may have been lost and its sequences used again. */
async function followsStill(
  { jsm, prefixes }: BaseOptions,
  { positions }: Mark,
  places: Places,
): Promise<boolean> {
  const verdicts = positions.map(async ({ stream, seq, time }) => {
    const place = Object.entries(places).find(([key]) => nameOf(prefixes, key) === stream)?.[1];
    if (place === undefined || seq < place.firstSeq) return true;
    const { config } = await jsm.streams.info(stream);
    const stored = await timeOfSeq(jsm, { config }, seq);
    return stored === undefined || stored === time;
  });
  return !(await Promise.all(verdicts)).includes(false);
}

function nameOf(prefixes: Prefixes, key: string): string {
  return streamName(prefixes, key as FoldedStream);
}
