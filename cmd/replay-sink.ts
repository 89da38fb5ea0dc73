/** Where the messages of a replay go: lines, JSON, or other subjects. */
import { once } from "node:events";
import { messageJson } from "../lib/operator/replay-json.ts";
import type { Republisher } from "../lib/operator/republisher.ts";
import type { MergedMessage } from "../lib/operator/stream-feed.ts";
import { countText } from "../lib/core/amount.ts";
import type { ReplayLines } from "../lib/terminal/replay-line.ts";
import type { Context } from "./context.ts";

export interface ReplaySink {
  take(message: MergedMessage): Promise<void>;
  /** What stands below everything else, until the next line; "" for nothing. */
  status(text: string): void;
  /** Everything is written. @param count messages that there were. */
  finish(count: number): Promise<void>;
}

/** Lines are written together up to so many characters. */
const MAX_PENDING_CHARS = 65_536;
const CLEAR_LINE = "\r\u001B[K";

type Say = Pick<Context, "say">;

export function jsonSink(): ReplaySink {
  const output = new Output();
  return {
    take: async (message) => await output.write([messageJson(message)]),
    status: () => undefined,
    finish: async () => await output.flush(),
  };
}

export function lineSink({ say }: Say, lines: ReplayLines): ReplaySink {
  const output = new Output();
  return {
    take: async (message) => await output.write(lines.lines(message)),
    status: (text) => output.status(text),
    finish: async (count) => {
      output.status("");
      await output.flush();
      if (count === 0) say("Nothing of the kind happened in that time.");
    },
  };
}

/** What happens elsewhere is told at the end, and how far it is meanwhile. */
export function republishSink({ say }: Say, republisher: Republisher, json: boolean): ReplaySink {
  const output = new Output();
  return {
    take: async (message) => await republisher.publish(message),
    status: (text) => output.status(text),
    finish: async () => {
      output.status("");
      const { published, stored } = await republisher.finish();
      if (json) await output.write([JSON.stringify({ published, stored })]);
      else say(`${countText(published)} messages were published again, ${storedText(stored)}.`);
      await output.flush();
    },
  };
}

function storedText(stored: number): string {
  return stored === 0 ? "no stream stores them there" : `${countText(stored)} stored by streams`;
}

/** Writes what came in one turn of the event loop at once, and no faster than it is taken. */
class Output {
  #pending = "";
  #isScheduled = false;
  #status = "";

  async write(lines: readonly string[]): Promise<void> {
    this.#pending += `${lines.join("\n")}\n`;
    if (this.#pending.length > MAX_PENDING_CHARS) return await this.flush();
    this.#schedule();
  }

  status(text: string): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#schedule();
  }

  async flush(): Promise<void> {
    const text = this.#pending;
    // What is written next stands where the status stands now.
    this.#pending = this.#status === "" ? "" : CLEAR_LINE;
    const whole = text + this.#status;
    if (whole !== "" && !process.stdout.write(whole)) await once(process.stdout, "drain");
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.flush();
    });
  }
}
