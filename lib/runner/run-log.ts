/** The output of one run in a file: bounded, the time and the source before each line. */
import { BoundedFile } from "./bounded-file.ts";

const MAX_FILE_BYTES = 1_048_576;
/** Lines are written together, so that a chatty runner costs little. */
const FLUSH_MS = 200;
const MAX_BUFFER_CHARS = 65_536;
/** After a failure: a full disk may have room again. */
const RETRY_MS = 5_000;

export interface RunLog {
  /** @param source which of its two outputs. */
  write(source: "out" | "err", line: string): void;
  close(): void;
}

/**
 * Opens the file for appending. What can't be written is counted and given up: it never stops a
 * runner.
 * @param onError told once for each time in which nothing can be written.
 */
export function openRunLog(path: string, onError: (error: Error) => void): RunLog {
  return new LogFile(path, onError);
}

class LogFile implements RunLog {
  readonly #file: BoundedFile;
  readonly #onError: (error: Error) => void;
  #buffer: string[] = [];
  #bufferChars = 0;
  #lost = 0;
  #retryAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, onError: (error: Error) => void) {
    this.#file = new BoundedFile(path, MAX_FILE_BYTES);
    this.#onError = onError;
  }

  write(source: "out" | "err", line: string): void {
    const text = `${new Date().toISOString()} ${source} ${line}\n`;
    this.#buffer.push(text);
    this.#bufferChars += text.length;
    if (this.#bufferChars >= MAX_BUFFER_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  close(): void {
    this.#retryAtMs = 0;
    this.#flush();
    this.#file.close();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#buffer;
    this.#buffer = [];
    this.#bufferChars = 0;
    if (lines.length > 0) this.#append(lines);
  }

  #append(lines: readonly string[]): void {
    if (performance.now() < this.#retryAtMs) {
      this.#lost += lines.length;
      return;
    }
    try {
      this.#file.append(this.#lossNote() + lines.join(""));
      this.#lost = 0;
      this.#retryAtMs = 0;
    } catch (error) {
      if (this.#lost === 0) this.#onError(error as Error);
      this.#lost += lines.length;
      this.#retryAtMs = performance.now() + RETRY_MS;
    }
  }

  #lossNote(): string {
    if (this.#lost === 0) return "";
    return `${new Date().toISOString()} err runbeat: ${this.#lost} lines before this could not be kept\n`;
  }
}
