/**
 * What Runbeat can see of its own pipeline, as a pure machine: answers of the NATS server and
 * checkpoints go in, the clock and the view by which statuses are judged come out. Local times are
 * of a clock that never jumps, in ms; server times are epoch ms.
 */
import type { CheckpointView } from "../core/read-models.ts";
import type { PipelineView } from "../core/status.ts";

/** A stream as the server described it. */
export interface StreamState {
  readonly stream: string;
  /** As the server writes it. */
  readonly created: string;
  readonly lastSeq: number;
  /** Undefined of a moment that is past. */
  readonly holds?: StreamHolding;
}

/** What a stream holds and may hold; null is no limit, and a time that an empty stream has not. */
export interface StreamHolding {
  readonly messages: number;
  /** On disk. */
  readonly bytes: number;
  readonly firstSeq: number;
  /** Epoch ms. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
  readonly maxAgeSec: number | null;
  readonly maxBytes: number | null;
  readonly maxMessages: number | null;
}

/** One answer of the server. */
export interface Contact {
  /** Local time halfway between question and answer. */
  readonly localMs: number;
  /** What the server's clock said. */
  readonly serverMs: number;
  /** Whether time stands still there: of an import, which is shown as it was at its end. */
  readonly isStill?: boolean;
  readonly streams: readonly StreamState[];
}

export interface WatchLimits {
  /** Without contact for this long, NATS counts as out of reach. */
  readonly contactMs: number;
  /** Not having been at the end of its streams for this long, the projector counts as behind. */
  readonly lagMs: number;
}

/** Which projections must be at the end of which stream for statuses to be right. */
export interface Followed {
  readonly projection: string;
  readonly stream: string;
}

/** What the server said of the followed streams at one moment: a mark that folding must reach. */
interface Mark {
  readonly serverMs: number;
  readonly streams: ReadonlyMap<string, StreamState>;
}

export interface WatchState {
  /** Server time of the start, as well as it is known. */
  readonly startedAt: number;
  readonly contact: Contact | undefined;
  /** Local time of the first question since the last answer. */
  readonly askingSince: number | undefined;
  /** Not reached yet, oldest first. */
  readonly marks: readonly Mark[];
  /** Server time of the newest mark that was reached. */
  readonly atEndAt: number | undefined;
  /** Since when NATS has been out of reach, until sight is whole again. */
  readonly outageFrom: number | undefined;
  readonly lastBlind: PipelineView["lastBlind"];
}

/** When there are so many marks, every second one is forgotten. */
const MAX_MARKS = 120;

export function startWatch(localEpochMs: number): WatchState {
  return {
    startedAt: localEpochMs,
    contact: undefined,
    askingSince: undefined,
    marks: [],
    atEndAt: undefined,
    outageFrom: undefined,
    lastBlind: null,
  };
}

/** The server is being asked. */
export function asked(state: WatchState, localMs: number): WatchState {
  return { ...state, askingSince: state.askingSince ?? localMs };
}

/**
 * The server answered. A jump of its clock against ours is an outage too: the machine slept, and
 * nobody could beat meanwhile.
 */
export function answered(state: WatchState, contact: Contact, limits: WatchLimits): WatchState {
  const before = state.contact;
  const isOut = isOutOfReach(state, contact.localMs, limits);
  const jumpMs =
    before === undefined
      ? 0
      : contact.serverMs - before.serverMs - (contact.localMs - before.localMs);
  const mark = {
    serverMs: contact.serverMs,
    streams: new Map(contact.streams.map((stream) => [stream.stream, stream])),
  };
  const isBlinded = before !== undefined && (isOut || jumpMs > limits.contactMs);
  return {
    ...state,
    contact,
    askingSince: undefined,
    marks: thinned([...state.marks, mark]),
    outageFrom: state.outageFrom ?? (isBlinded ? before.serverMs : undefined),
  };
}

function thinned(marks: readonly Mark[]): readonly Mark[] {
  if (marks.length <= MAX_MARKS) return marks;
  return marks.filter((_, index) => index % 2 === 1 || index === marks.length - 1);
}

/** Checkpoints were read: of the lane that is in use. */
export function folded(
  state: WatchState,
  checkpoints: readonly CheckpointView[],
  followed: readonly Followed[],
): WatchState {
  const reached = state.marks.findLastIndex((mark) => isReached(mark, checkpoints, followed));
  if (reached < 0) return state;
  return {
    ...state,
    atEndAt: state.marks[reached]?.serverMs,
    marks: state.marks.slice(reached + 1),
  };
}

function isReached(
  mark: Mark,
  checkpoints: readonly CheckpointView[],
  followed: readonly Followed[],
): boolean {
  return followed.every(({ projection, stream }) => {
    const wanted = mark.streams.get(stream);
    const own = checkpoints.filter((row) => row.projection === projection);
    return (
      wanted !== undefined &&
      own.length > 0 &&
      own.every((row) => row.stream_created === wanted.created && row.seq >= wanted.lastSeq)
    );
  });
}

function isOutOfReach(state: WatchState, localMs: number, limits: WatchLimits): boolean {
  return state.askingSince !== undefined && localMs - state.askingSince > limits.contactMs;
}

/**
 * The time on the server's clock. While an answer is awaited it stands still: until NATS counts as
 * out of reach, nobody is to look older than when it was last heard.
 */
export function serverNow(state: WatchState, localMs: number): number | undefined {
  const { contact, askingSince } = state;
  if (contact === undefined) return undefined;
  if (contact.isStill === true) return contact.serverMs;
  return Math.round(contact.serverMs + (askingSince ?? localMs) - contact.localMs);
}

/** Since when nothing can be told, server time; null while all is in sight. */
export function blindSince(state: WatchState, localMs: number, limits: WatchLimits): number | null {
  const now = serverNow(state, localMs);
  if (state.contact === undefined || now === undefined) return state.startedAt;
  if (isOutOfReach(state, localMs, limits)) return state.contact.serverMs;
  if (state.atEndAt === undefined) return state.outageFrom ?? Math.min(state.startedAt, now);
  return now - state.atEndAt > limits.lagMs ? (state.outageFrom ?? state.atEndAt) : null;
}

/**
 * The view by which statuses are judged, and the state after it: the end of an outage is noted.
 * Only outages of NATS excuse a runner's silence: what was stored while the projector was behind
 * tells the truth once it is folded.
 */
export function look(
  state: WatchState,
  localMs: number,
  limits: WatchLimits,
): { readonly state: WatchState; readonly view: PipelineView } {
  const since = blindSince(state, localMs, limits);
  const now = serverNow(state, localMs);
  if (since !== null && isOutOfReach(state, localMs, limits) && state.contact !== undefined) {
    const outageFrom = state.outageFrom ?? state.contact.serverMs;
    return {
      state: { ...state, outageFrom },
      view: { blindSince: outageFrom, lastBlind: state.lastBlind },
    };
  }
  if (since !== null || state.outageFrom === undefined || now === undefined) {
    return { state, view: { blindSince: since, lastBlind: state.lastBlind } };
  }
  const lastBlind = { from: state.outageFrom, to: now };
  return {
    state: { ...state, outageFrom: undefined, lastBlind },
    view: { blindSince: null, lastBlind },
  };
}

/** How far folding is behind the streams, ms; null before anything is known. */
export function lagMs(state: WatchState, localMs: number): number | null {
  const now = serverNow(state, localMs);
  if (now === undefined || state.contact === undefined) return null;
  const since = state.askingSince === undefined ? 0 : localMs - state.askingSince;
  const oldest = state.marks[0];
  return Math.max(0, Math.round(oldest === undefined ? since : now - oldest.serverMs + since));
}
