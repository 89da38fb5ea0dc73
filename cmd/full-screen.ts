/** Takes a terminal's whole screen and keyboard, and gives them back whatever happens. */
import { writeSync } from "node:fs";
import type { ReadStream, WriteStream } from "node:tty";
import { KeyParser } from "../lib/terminal/key-parser.ts";
import type { Key } from "../lib/terminal/key-parser.ts";
import { LEAVE_SCREEN, ScreenWriter } from "../lib/terminal/screen-writer.ts";
import type { ScreenSize } from "../lib/terminal/top-screen.ts";

const STDOUT = 1;
const DEFAULT_SIZE: ScreenSize = { columns: 80, rows: 24 };

export interface FullScreenEvents {
  readonly onKey: (key: Key) => void;
  readonly onResize: () => void;
  /** Nobody types any more: the terminal is gone. */
  readonly onGone: () => void;
}

export class FullScreen {
  readonly writer: ScreenWriter;
  readonly #input: ReadStream;
  /** `fd` is there, whatever the types say. */
  readonly #output: WriteStream & { readonly fd?: number };
  readonly #events: FullScreenEvents;
  readonly #parser = new KeyParser();
  #isTaken = false;

  constructor(input: ReadStream, output: WriteStream, events: FullScreenEvents) {
    this.#input = input;
    this.#output = output;
    this.#events = events;
    this.writer = new ScreenWriter(output);
  }

  get size(): ScreenSize {
    const { columns, rows } = this.#output;
    // A pseudo-terminal that nobody gave a size says 0.
    return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
  }

  open(): void {
    // Whatever ends this process, even a fault of ours, and before the fault is printed.
    process.on("exit", this.#giveBack);
    process.on("uncaughtExceptionMonitor", this.#giveBack);
    this.#input.setEncoding("utf8");
    this.#input.on("data", this.#onData);
    this.#input.on("end", this.#events.onGone);
    this.#output.on("resize", this.#events.onResize);
    this.#take();
  }

  close(): void {
    this.#giveBack();
    process.off("exit", this.#giveBack);
    process.off("uncaughtExceptionMonitor", this.#giveBack);
    this.#input.off("data", this.#onData);
    this.#input.off("end", this.#events.onGone);
    this.#output.off("resize", this.#events.onResize);
    this.#input.pause();
  }

  /** Stops this process, as ctrl-Z does; the shell's `fg` brings everything back. */
  suspend(): void {
    this.#giveBack();
    process.once("SIGCONT", () => {
      this.#take();
      this.#events.onResize();
    });
    // With whatever started us: a shell waits for all of its job.
    process.kill(0, "SIGTSTP");
  }

  #take(): void {
    this.#input.setRawMode(true);
    this.#input.resume();
    this.writer.enter();
    this.#isTaken = true;
  }

  readonly #onData = (chunk: string): void => {
    for (const key of this.#parser.take(chunk)) this.#events.onKey(key);
  };

  readonly #giveBack = (): void => {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    try {
      // At once: a process that ends does not wait for streams.
      writeSync(this.#output.fd ?? STDOUT, LEAVE_SCREEN);
      this.#input.setRawMode(false);
    } catch {
      // The terminal is gone: nothing is left to give back.
    }
  };
}
