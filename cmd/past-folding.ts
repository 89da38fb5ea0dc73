/** The thread that folds moments of the past: in the API's own, its other clients would wait. */
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { LocatedMoment } from "../lib/operator/state-at.ts";
import { openImage } from "../lib/store/open.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import type { Context } from "./context.ts";
import { natsThreadData } from "./nats-thread-data.ts";
import type { PastFolded, PastThreadData } from "./past-thread.ts";
import { startSideThread } from "./side-thread.ts";
import type { SideThread } from "./side-thread.ts";

const CLOSE_MS = 2_000;
/** Nobody looks at the past for hours on most days: the thread's memory is given back. */
const MAX_IDLE_MS = 5 * 60_000;
/** A moment's rows live until it is folded; those that are copied to and fro meanwhile cost time. */
const YOUNG_MB = 192;

export interface PastFolding {
  /** The status tables of a moment. @throws AppError as `foldLocated`. */
  fold(moment: LocatedMoment): Promise<SqliteDatabase>;
  close(): Promise<void>;
}

interface Asked {
  readonly resolve: (image: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the thread when the first moment is asked for, and again after it failed. */
export function pastFolding(context: Context): PastFolding {
  return new FoldingThread(context);
}

class FoldingThread implements PastFolding {
  readonly #context: Context;
  readonly #asked = new Map<number, Asked>();
  #thread: SideThread | undefined;
  #lastId = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  async fold(moment: LocatedMoment): Promise<SqliteDatabase> {
    clearTimeout(this.#idle);
    const id = ++this.#lastId;
    const { worker } = (this.#thread ??= this.#start());
    try {
      const image = await new Promise<Uint8Array>((resolve, reject) => {
        this.#asked.set(id, { resolve, reject });
        worker.postMessage({ id, moment }, []);
      });
      return openImage(Buffer.from(image.buffer, image.byteOffset, image.byteLength));
    } finally {
      this.#asked.delete(id);
      if (this.#asked.size === 0) this.#restLater();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.close();
  }

  #restLater(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.close(), MAX_IDLE_MS);
    this.#idle.unref();
  }

  #start(): SideThread {
    const { settings, paths } = this.#context;
    const data: PastThreadData = {
      ...natsThreadData(this.#context, "runbeat past folding"),
      marksFile: paths.marksFile,
      maxMarkBytes: settings.marks.maxBytes,
    };
    const file = new URL("./past-thread.js", import.meta.url);
    const limits = { maxYoungGenerationSizeMb: YOUNG_MB };
    const thread = startSideThread(file, data, CLOSE_MS, limits);
    thread.worker.on("message", (folded: PastFolded) => this.#answer(folded));
    let why = "its thread has ended";
    thread.worker.on("error", (error) => (why = messageOf(error)));
    void thread.exited.then(() => this.#ended(thread, why));
    return thread;
  }

  #answer(folded: PastFolded): void {
    const asked = this.#asked.get(folded.id);
    if ("image" in folded) asked?.resolve(folded.image);
    else asked?.reject(new AppError(folded.code, folded.message));
  }

  #ended(thread: SideThread, why: string): void {
    if (this.#thread === thread) this.#thread = undefined;
    else if (this.#thread !== undefined) return;
    const error = new AppError("unavailable", `The past could not be folded (${why}): ask again`);
    for (const { reject } of this.#asked.values()) reject(error);
  }
}
