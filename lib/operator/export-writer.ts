/** Writes an export: compressed as it goes, under another name until it is whole. */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { AppError, messageOf } from "../core/errors.ts";
import type { StreamKey } from "../core/subject.ts";
import { formatTime } from "../core/time.ts";
import { messageLine } from "./export-format.ts";
import type { ExportedMessage, ExportEnd, ExportManifest, StreamSummary } from "./export-format.ts";

/** Lines are handed to the compressor in pieces of about this many characters. */
const PIECE_CHARS = 65_536;
/** More than this waiting for the compressor, and the writer says that it is full. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** What was exported can hold secrets: only its owner reads it. */
const FILE_MODE = 0o600;
const GZIP_LEVEL = 5;

interface Tally {
  readonly hash: Hash;
  messages: number;
  bytes: number;
  first: { readonly seq: number; readonly timeMs: number } | undefined;
  last: { readonly seq: number; readonly timeMs: number } | undefined;
  /** Lines not hashed and written yet. */
  piece: string;
}

export class ExportWriter {
  readonly #file: string;
  readonly #partFile: string;
  readonly #input = new PassThrough({ highWaterMark: MAX_WAITING_BYTES });
  readonly #written: Promise<void>;
  readonly #tallies = new Map<StreamKey, Tally>();
  readonly #manifestSha256: string;
  #failure: AppError | undefined;

  /** @param file gets its name only when everything is in it; one that is there is replaced. */
  constructor(file: string, manifest: ExportManifest) {
    this.#file = file;
    this.#partFile = join(dirname(file), `.${basename(file)}.part`);
    const output = createWriteStream(this.#partFile, { mode: FILE_MODE });
    this.#written = pipeline(this.#input, createGzip({ level: GZIP_LEVEL }), output);
    this.#written.catch((error: unknown) => {
      this.#failure = cantWrite(file, error);
    });
    const line = `${JSON.stringify(manifest)}\n`;
    this.#manifestSha256 = createHash("sha256").update(line).digest("hex");
    this.#input.write(line);
    for (const key of Object.keys(manifest.streams) as StreamKey[]) {
      this.#tallies.set(key, emptyTally());
    }
  }

  /** Whether the caller must wait for {@link drained} before it goes on. */
  get isFull(): boolean {
    return this.#input.writableLength >= MAX_WAITING_BYTES || this.#failure !== undefined;
  }

  /** @throws AppError `unavailable` where the file can't be written. */
  write(message: ExportedMessage): void {
    const tally = this.#tallies.get(message.stream);
    if (tally === undefined) throw new Error(`the manifest has no stream ${message.stream}`);
    tally.messages += 1;
    tally.bytes += message.data.length;
    tally.last = { seq: message.seq, timeMs: message.timeMs };
    tally.first ??= tally.last;
    tally.piece += messageLine(message);
    if (tally.piece.length >= PIECE_CHARS) this.#flush(tally);
  }

  /** Resolves once there is room. @throws AppError `unavailable` where the file can't be written. */
  async drained(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#input.writableLength < MAX_WAITING_BYTES) return;
    await Promise.race([
      new Promise<void>((resolve) => this.#input.once("drain", resolve)),
      this.#written,
    ]).catch((error: unknown) => {
      throw cantWrite(this.#file, error);
    });
  }

  /** Writes the last line and gives the file its name. @throws as {@link drained}. */
  async finish(): Promise<ExportEnd> {
    for (const tally of this.#tallies.values()) this.#flush(tally);
    const streams = Object.fromEntries(
      [...this.#tallies].map(([key, tally]) => [key, summaryOf(tally)]),
    );
    const end = { end: true, manifest_sha256: this.#manifestSha256, streams } as const;
    try {
      this.#input.end(`${JSON.stringify(end)}\n`);
      await this.#written;
      await rename(this.#partFile, this.#file);
    } catch (error) {
      await this.abandon();
      throw cantWrite(this.#file, error);
    }
    return end;
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    this.#input.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#partFile, { force: true });
  }

  #flush(tally: Tally): void {
    if (tally.piece === "") return;
    const bytes = Buffer.from(tally.piece, "utf8");
    tally.piece = "";
    tally.hash.update(bytes);
    if (this.#failure === undefined) this.#input.write(bytes);
  }
}

function emptyTally(): Tally {
  const hash = createHash("sha256");
  return { hash, messages: 0, bytes: 0, first: undefined, last: undefined, piece: "" };
}

function summaryOf({ hash, messages, bytes, first, last }: Tally): StreamSummary {
  return {
    messages,
    first_seq: first?.seq ?? null,
    last_seq: last?.seq ?? null,
    first_time: first === undefined ? null : formatTime(first.timeMs),
    last_time: last === undefined ? null : formatTime(last.timeMs),
    bytes,
    sha256: hash.digest("hex"),
  };
}

function cantWrite(file: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
  return new AppError(
    "unavailable",
    isFull
      ? `${file} can't be written: the disk is full. Make room, or give --out another place`
      : `${file} can't be written: ${messageOf(error)}`,
    { cause: error },
  );
}
