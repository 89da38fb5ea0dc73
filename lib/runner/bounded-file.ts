/** A file that is appended to and never grows beyond a bound. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const OWNER_ONLY = 0o600;

export class BoundedFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #descriptor: number | undefined;
  #bytes = 0;
  /** A write that failed may have left half a line. */
  #isTorn = false;

  /** @param maxBytes then it is set aside as `….1`, in place of the one before it. */
  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** @param lines whole lines. @throws what the file system says, e.g. that the disk is full. */
  append(lines: string): void {
    if (this.#descriptor !== undefined && this.#bytes >= this.#maxBytes) this.#setAside();
    this.#descriptor ??= this.#open();
    const data = Buffer.from(this.#isTorn ? `\n${lines}` : lines);
    try {
      for (let from = 0; from < data.length;) from += writeSync(this.#descriptor, data, from);
      this.#bytes += data.length;
      this.#isTorn = false;
    } catch (error) {
      this.#isTorn = true;
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true });
    const descriptor = openSync(this.#path, "a", OWNER_ONLY);
    this.#bytes = fstatSync(descriptor).size;
    return descriptor;
  }

  #setAside(): void {
    this.close();
    renameSync(this.#path, `${this.#path}.1`);
  }
}
