/** Reads the output of a runner's runs on, over files that are set aside and over its restarts. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { redact } from "../core/redact.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { listRuns, runFiles } from "./run-files.ts";
import { parseOutputLine } from "./run-output.ts";
import type { OutputLine } from "./run-output.ts";

const CHUNK_BYTES = 65_536;
const LINE_END = 0x0a;

/** A line, and of which run. */
export interface RunLine extends OutputLine {
  /** When the run was started, epoch ms. */
  readonly run: number;
}

export class OutputFollower {
  readonly #runsDir: string;
  readonly #runner: RunnerId;
  #run: number;
  #file: OpenFile | undefined;

  constructor(runsDir: string, runner: RunnerId, run: number) {
    this.#runsDir = runsDir;
    this.#runner = runner;
    this.#run = run;
  }

  /** What there is by now of the run, at most the last so many lines. */
  last(maxLines: number): RunLine[] {
    const path = this.#path();
    // Opened first: what is set aside in between is then read here.
    const file = (this.#file ??= OpenFile.open(path));
    const before = textOf(`${path}.1`)
      .split("\n")
      .filter((line) => line !== "");
    const lines = [...before, ...(file?.read() ?? [])];
    return maxLines === 0 ? [] : lines.slice(-maxLines).map((line) => this.#lineOf(line));
  }

  /** What has come since, also of runs that were started since. */
  next(): RunLine[] {
    const lines: RunLine[] = this.#more();
    for (const run of listRuns(this.#runsDir, this.#runner)) {
      if (run <= this.#run) continue;
      // It may have had last words after the first look.
      lines.push(...this.#more());
      this.close();
      this.#run = run;
      lines.push(...this.#more());
    }
    return lines;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #more(): RunLine[] {
    const path = this.#path();
    const file = (this.#file ??= OpenFile.open(path));
    const lines = file?.read() ?? [];
    if (file !== undefined && !file.isStill(path)) {
      lines.push(...file.read());
      file.close();
      this.#file = OpenFile.open(path);
      lines.push(...(this.#file?.read() ?? []));
    }
    return lines.map((line) => this.#lineOf(line));
  }

  #lineOf(line: string): RunLine {
    return { run: this.#run, ...parseOutputLine(redact(line)) };
  }

  #path(): string {
    return runFiles(this.#runsDir, this.#runner, this.#run).log;
  }
}

class OpenFile {
  readonly #descriptor: number;
  readonly #inode: number;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#inode = fstatSync(descriptor).ino;
  }

  static open(path: string): OpenFile | undefined {
    try {
      return new OpenFile(openSync(path, "r"));
    } catch {
      return undefined;
    }
  }

  /** Whole lines from where the last one ended. */
  read(): string[] {
    const lines: string[] = [];
    for (let chunk = this.#chunk(); chunk.length > 0; chunk = this.#chunk()) {
      const data = Buffer.concat([this.#rest, chunk]);
      const end = data.lastIndexOf(LINE_END);
      this.#rest = data.subarray(end + 1);
      if (end >= 0) lines.push(...data.toString("utf8", 0, end).split("\n"));
    }
    return lines.filter((line) => line !== "");
  }

  isStill(path: string): boolean {
    return statSync(path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #chunk(): Buffer {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    return chunk.subarray(0, readSync(this.#descriptor, chunk, 0, CHUNK_BYTES, null));
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
