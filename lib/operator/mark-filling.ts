/** Folds marks into a stretch of the past that has none, one after the other. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { clockOf } from "../core/imported-stream.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { sequenceAt } from "../nats/stream-times.ts";
import {
  openWorkFile,
  packFile,
  positionsIn,
  removeWorkFile,
  unpackTables,
} from "../store/mark-image.ts";
import type { Mark, MarkStore } from "../store/mark-store.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { foldUp } from "./fold-state.ts";
import { markedTables } from "./marked-tables.ts";
import type { Places } from "./state-base.ts";

export interface FillingOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly store: MarkStore;
  /** Where the tables are while they are folded. */
  readonly file: string;
  /** The mark that the stretch begins behind; undefined: it begins with the stream. */
  readonly base: Mark | undefined;
  /** Sequence of the heartbeats' stream where the stretch ends. */
  readonly to: number;
  readonly signal: AbortSignal;
}

export interface Filling {
  /** Folds so many heartbeats and leaves a mark. False: the stretch has its marks. */
  step(messages: number): Promise<boolean>;
  close(): void;
}

export async function startFilling(options: FillingOptions): Promise<Filling> {
  const { file, base, store } = options;
  const packed = base === undefined ? undefined : store.read(base.id);
  const image = packed === undefined ? undefined : await unpackTables(packed);
  const db = await openWorkFile(file, image);
  // Where its mark went meanwhile, all of it is folded from the beginning.
  let seq = packed === undefined ? undefined : base?.seq;
  return {
    step: async (messages) => {
      const told = options.projections.filter(({ tellsStatus }) => tellsStatus);
      const places = await placesBehind(options, told, seq, messages);
      if (places === undefined) return false;
      await foldUp({ ...options, places }, db, told);
      seq = places.heartbeats.seq;
      const positions = positionsIn(db, markedTables(told), "folded");
      if (positions === undefined) return false;
      store.add(seq, positions, packFile(file));
      return true;
    },
    close: () => closeWork(db, file),
  };
}

function closeWork(db: SqliteDatabase, file: string): void {
  db.close();
  removeWorkFile(file);
}

/** Where all streams were when the heartbeats' stream was so much further; undefined at the end. */
async function placesBehind(
  { jsm, prefixes, to }: FillingOptions,
  told: readonly AnyProjection[],
  from: number | undefined,
  messages: number,
): Promise<Places | undefined> {
  const name = streamName(prefixes, "heartbeats");
  const { config, state } = await jsm.streams.info(name);
  const target = (from ?? state.first_seq - 1) + messages;
  if (target > to - messages / 2) return undefined;
  const message = await jsm.direct.getMessage(name, { seq: target, next_by_subj: ">" });
  if (message === null) return undefined;
  const time = clockOf(config)(Math.floor(message.time.getTime()), message.header);
  const streams = [...new Set(told.map(({ stream }) => stream as FoldedStream))];
  const places = streams.map(
    async (stream) => [stream, await sequenceAt(jsm, streamName(prefixes, stream), time)] as const,
  );
  return Object.fromEntries(await Promise.all(places)) as Places;
}
