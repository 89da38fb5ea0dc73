/** The output of one runner in a file: bounded, the time before each line. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { OutputSink } from "./enforcer.ts";

/** Then the file is set aside as `….1`, in place of the one before it. */
const MAX_FILE_BYTES = 1_048_576;
/** Lines are written together, so that a chatty runner costs little. */
const FLUSH_MS = 200;
const MAX_BUFFER_CHARS = 65_536;
const OWNER_ONLY = 0o600;

/** Opens the file for appending. Failing to write is told once and never stops a runner. */
export function openOutputFile(path: string, onError: (error: Error) => void): OutputSink {
  return new OutputFile(path, onError);
}

class OutputFile implements OutputSink {
  readonly #path: string;
  readonly #onError: (error: Error) => void;
  #descriptor: number | undefined;
  #bytes = 0;
  #buffer = "";
  #timer: NodeJS.Timeout | undefined;
  #isBroken = false;

  constructor(path: string, onError: (error: Error) => void) {
    this.#path = path;
    this.#onError = onError;
  }

  write(line: string): void {
    this.#buffer += `${new Date().toISOString()} ${line}\n`;
    if (this.#buffer.length >= MAX_BUFFER_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  close(): void {
    this.#flush();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#buffer;
    this.#buffer = "";
    if (text === "" || this.#isBroken) return;
    try {
      if (this.#bytes > MAX_FILE_BYTES) this.#setAside();
      this.#descriptor ??= this.#open();
      this.#bytes += writeSync(this.#descriptor, text);
    } catch (error) {
      this.#isBroken = true;
      this.#onError(error as Error);
    }
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true });
    const descriptor = openSync(this.#path, "a", OWNER_ONLY);
    this.#bytes = fstatSync(descriptor).size;
    return descriptor;
  }

  #setAside(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    renameSync(this.#path, `${this.#path}.1`);
  }
}
