/**
 * States of moments, kept open for whoever asks again: someone who looks at a moment asks for
 * several things of it, and moments between the same messages have the same state.
 */
import { AppError } from "../core/errors.ts";
import type { DeclaredRunner, Moment, ReadModels } from "../core/read-models.ts";
import type { LocatedMoment, StateAt } from "./state-at.ts";

/** States that stay open while nobody uses them; each holds a copy of the status tables. */
const MAX_OPEN = 4;
/** One that nobody has used for so long is closed. */
const MAX_IDLE_MS = 60_000;
/** States that are being opened at a time: each reads streams and folds. */
const MAX_OPENING = 2;
/** More that wait for their turn are refused. */
const MAX_WAITING = 16;
const MAX_WAIT_MS = 15_000;
/** Moments whose places are remembered. */
const MAX_LOCATED = 500;
/** A stream may be pruned, or made anew, meanwhile. */
const MAX_LOCATED_MS = 30_000;
/** Places of a moment that is newer than this are asked for again. */
const SETTLED_MS = 5_000;

export interface PastStatesOptions {
  readonly locate: (at: number) => Promise<LocatedMoment>;
  readonly open: (moment: LocatedMoment) => Promise<StateAt>;
}

/** What a piece of work gets to see of a moment. */
export interface OpenPast {
  readonly state: StateAt;
  readonly models: ReadModels;
  readonly moment: Moment;
  readonly streams: readonly {
    readonly stream: string;
    readonly created: string;
    readonly lastSeq: number;
  }[];
  readonly heartbeatSeq: number;
}

interface Entry {
  readonly key: string;
  readonly opened: Promise<StateAt>;
  users: number;
  usedAt: number;
}

export class PastStates {
  readonly #options: PastStatesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #located = new Map<
    number,
    { readonly located: LocatedMoment; readonly until: number }
  >();
  /** Moments that are being looked for: whoever asks several things of one asks them at once. */
  readonly #locating = new Map<number, Promise<LocatedMoment>>();
  readonly #turns: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #opening = 0;
  #isClosed = false;

  constructor(options: PastStatesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#closeIdle(), MAX_IDLE_MS / 4);
    this.#timer.unref();
  }

  /**
   * Opens the state of a moment for a piece of work; the state stays open until that is done.
   * @param at epoch ms. Rejects as `openStateAt` does, and with AppError `unavailable` while too
   *   many ask for other moments.
   */
  async use<T>(at: number, work: (past: OpenPast) => T | Promise<T>): Promise<T> {
    const located = await this.#locate(at);
    const entry = this.#entry(located);
    entry.users += 1;
    try {
      return await work(pastOf(await entry.opened, at));
    } finally {
      entry.users -= 1;
      entry.usedAt = performance.now();
      this.#closeSpare();
    }
  }

  /** The fleet file has changed: states that are open are judged by the new one. */
  declare(runners: readonly DeclaredRunner[]): void {
    for (const { opened } of this.#entries.values()) {
      void opened.then(({ models }) => models.declare(runners, 0)).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(closeEntry));
  }

  async #locate(at: number): Promise<LocatedMoment> {
    const known = this.#located.get(at);
    if (known !== undefined && performance.now() < known.until) return known.located;
    const locating = this.#locating.get(at) ?? this.#locateAnew(at);
    this.#locating.set(at, locating);
    return await locating;
  }

  async #locateAnew(at: number): Promise<LocatedMoment> {
    const located = await this.#options.locate(at).finally(() => this.#locating.delete(at));
    if (this.#located.size >= MAX_LOCATED) this.#located.clear();
    if (at < located.serverTime - SETTLED_MS) {
      this.#located.set(at, { located, until: performance.now() + MAX_LOCATED_MS });
    }
    return located;
  }

  #entry(located: LocatedMoment): Entry {
    const key = keyOf(located);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // The newest stands last, so that the first ones are closed first.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const opened = this.#open(located);
    const entry = { key, opened, users: 0, usedAt: performance.now() };
    this.#entries.set(key, entry);
    opened.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry;
  }

  async #open(located: LocatedMoment): Promise<StateAt> {
    await this.#turn();
    this.#opening += 1;
    try {
      return await this.#options.open(located);
    } finally {
      this.#opening -= 1;
      this.#turns.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#opening < MAX_OPENING) return;
    const busy = new AppError("unavailable", "Too many moments are asked for at once: ask again");
    if (this.#turns.length >= MAX_WAITING) throw busy;
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#turns.splice(this.#turns.indexOf(turn), 1);
        reject(busy);
      }, MAX_WAIT_MS);
      this.#turns.push(turn);
    });
  }

  #closeSpare(): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= MAX_OPEN) return;
      if (entry.users === 0) this.#drop(entry);
    }
  }

  #closeIdle(): void {
    const before = performance.now() - MAX_IDLE_MS;
    for (const entry of this.#entries.values()) {
      if (entry.users === 0 && entry.usedAt < before) this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.key);
    if (!this.#isClosed) void closeEntry(entry);
  }
}

async function closeEntry({ opened }: Entry): Promise<void> {
  const state = await opened.catch(() => undefined);
  state?.close();
}

/** A stream that was made anew is another one. */
function keyOf({ places }: LocatedMoment): string {
  return Object.values(places)
    .map(({ created, seq }) => `${created} ${seq}`)
    .join("|");
}

function pastOf(state: StateAt, at: number): OpenPast {
  const positions = Object.values(state.positions);
  return {
    state,
    models: state.models,
    moment: { ...state.moment, now: at },
    streams: positions.map(({ stream, created, seq }) => ({ stream, created, lastSeq: seq })),
    heartbeatSeq: state.positions.heartbeats.seq,
  };
}
