/** Reads one stream's range for an export, no faster than it is written. */
import { AppError } from "../core/errors.ts";
import type { StreamKey } from "../core/subject.ts";
import { openPullReader } from "../nats/pull-reader.ts";
import type { PulledMessage, PullReader } from "../nats/pull-reader.ts";
import type { ExportedMessage, ExportedStream } from "./export-format.ts";
import { runnerFilter } from "./export-runner.ts";
import type { RunnerFilter } from "./export-runner.ts";
import type { ExportOptions } from "./export-streams.ts";
import type { ExportWriter } from "./export-writer.ts";
import { originalHeaders } from "./import-publisher.ts";

/** Messages that may be on their way from the server. */
const ROOM_MESSAGES = 4_000;

export interface RangeTask {
  readonly key: StreamKey;
  readonly range: ExportedStream;
  /** Who is waited for. */
  readonly writer: Pick<ExportWriter, "isFull" | "drained">;
  readonly take: (message: ExportedMessage) => void;
}

/** @throws AppError `unavailable` when the stream can't be read to the range's end. */
export async function readRange(options: ExportOptions, task: RangeTask): Promise<void> {
  if (task.range.last_seq < task.range.first_seq) return;
  await new RangeReading(options, task).run();
}

class RangeReading {
  readonly #options: ExportOptions;
  readonly #task: RangeTask;
  readonly #filter: RunnerFilter | undefined;
  readonly #end: Promise<void>;
  #reader: PullReader | undefined;
  #isWaiting = false;
  #isOver = false;
  #finish: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: ExportOptions, task: RangeTask) {
    this.#options = options;
    this.#task = task;
    const { prefixes, runner } = options;
    this.#filter = runner === undefined ? undefined : runnerFilter(prefixes, task.key, runner);
    this.#end = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.#end.catch(() => undefined);
  }

  async run(): Promise<void> {
    const { nc, jsm, signal } = this.#options;
    const { name, first_seq } = this.#task.range;
    const abort = (): void => this.#fail(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      signal?.throwIfAborted();
      const reader = await openPullReader({
        nc,
        jsm,
        stream: name,
        start: { fromSeq: first_seq },
        ...(this.#filter?.subjects === undefined ? {} : { filterSubjects: this.#filter.subjects }),
        room: () => (this.#isWaiting ? 0 : ROOM_MESSAGES),
        onMessage: (message) => this.#take(message),
        onEnd: () => this.#finish(),
      });
      this.#reader = reader;
      void reader.ended.then((why) =>
        this.#fail(new AppError("unavailable", `Stream ${name} was not read to its end: ${why}`)),
      );
      await this.#end;
    } finally {
      this.#isOver = true;
      signal?.removeEventListener("abort", abort);
      await this.#reader?.close();
    }
  }

  #take(message: PulledMessage): void {
    const { key, range, writer, take } = this.#task;
    if (this.#isOver || message.seq > range.last_seq) return this.#finish();
    try {
      const exported = exportedOf(key, message);
      if (this.#filter?.takes(exported) ?? true) take(exported);
    } catch (error) {
      return this.#fail(error);
    }
    const done = message.seq - range.first_seq + 1;
    this.#options.onProgress?.(key, done / (range.last_seq - range.first_seq + 1));
    if (message.seq === range.last_seq) this.#finish();
    else if (writer.isFull && !this.#isWaiting) this.#wait();
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#task.writer.drained().then(() => {
      this.#isWaiting = false;
      this.#reader?.topUp();
    }, this.#fail);
  }
}

function exportedOf(stream: StreamKey, message: PulledMessage): ExportedMessage {
  const { seq, timeMs, subject, data } = message;
  return { stream, seq, timeMs, subject, headers: originalHeaders(message.headers), data };
}
