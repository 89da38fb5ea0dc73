/** Reads an export line by line, in bounded memory, and says what is wrong with it. */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import { AppError, messageOf } from "../core/errors.ts";
import { STREAM_KEYS } from "../core/subject.ts";
import type { StreamKey } from "../core/subject.ts";
import { parseTime } from "../core/time.ts";
import { EXPORT_VERSION, parseMessageLine, streamOfLine } from "./export-format.ts";
import type { ExportedMessage, ExportEnd, ExportManifest } from "./export-format.ts";

const NEWLINE = 10;
/** Longer than any message that a NATS server takes with its default limits, as text. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

const timeSchema = z.string().refine((text) => parseTime(text) !== undefined);
const manifestSchema = z.object({
  runbeat_export: z.number(),
  version: z.string(),
  created: timeSchema,
  from: timeSchema.nullable(),
  to: timeSchema,
  runner: z.string().nullable(),
  redacted: z.boolean(),
  prefixes: z.object({ subject: z.string(), stream: z.string() }),
  streams: z.partialRecord(
    z.enum(STREAM_KEYS),
    z.object({
      name: z.string(),
      created: z.string(),
      first_seq: z.number().int().min(1),
      last_seq: z.number().int().min(0),
    }),
  ),
});
const endSchema = z.object({
  end: z.literal(true),
  manifest_sha256: z.string(),
  streams: z.partialRecord(
    z.enum(STREAM_KEYS),
    z.object({
      messages: z.number().int().min(0),
      first_seq: z.number().nullable(),
      last_seq: z.number().nullable(),
      first_time: z.string().nullable(),
      last_time: z.string().nullable(),
      bytes: z.number(),
      sha256: z.string(),
    }),
  ),
});

/** What a whole and unaltered export says of itself. */
export interface CheckedExport {
  readonly file: string;
  /** The same for the same content: what an import of it is known by. */
  readonly id: string;
  readonly manifest: ExportManifest;
  readonly end: ExportEnd;
  readonly messages: number;
}

/** How far reading is, 0 to 1. */
export type OnProgress = (part: number) => void;

/**
 * Reads the whole file and compares it with its checksums.
 * @throws AppError `invalid` for a file that is cut off, altered, no export or of a later version;
 *   `not_found` where there is none.
 */
export async function checkExport(file: string, onProgress?: OnProgress): Promise<CheckedExport> {
  const hashes = new Map<StreamKey, { hash: Hash; messages: number }>();
  let manifest: { readonly value: ExportManifest; readonly sha256: string } | undefined;
  let end: ExportEnd | undefined;
  const take = (line: Buffer): void => {
    if (end !== undefined) throw altered(file, "there is something after its last line");
    const key = streamOfLine(line);
    if (manifest === undefined) {
      manifest = { value: parseManifest(file, line), sha256: sha256(line) };
    } else if (key === undefined) {
      end = parseEnd(file, line);
    } else {
      const found = hashes.get(key) ?? { hash: createHash("sha256"), messages: 0 };
      found.hash.update(line);
      found.messages += 1;
      hashes.set(key, found);
    }
  };
  for await (const lines of linesOf(file, onProgress)) for (const line of lines) take(line);
  return checked(file, manifest, hashes, end);
}

function checked(
  file: string,
  manifest: { readonly value: ExportManifest; readonly sha256: string } | undefined,
  hashes: ReadonlyMap<StreamKey, { readonly hash: Hash; readonly messages: number }>,
  end: ExportEnd | undefined,
): CheckedExport {
  if (manifest === undefined) throw notExport(file, "it is empty");
  if (end === undefined) throw cutOff(file);
  compare(file, manifest.sha256, hashes, end);
  const id = sha256(JSON.stringify(end)).slice(0, 16);
  const messages = [...hashes.values()].reduce((sum, { messages: count }) => sum + count, 0);
  return { file, id, manifest: manifest.value, end, messages };
}

function compare(
  file: string,
  manifestSha256: string,
  found: ReadonlyMap<StreamKey, { readonly hash: Hash; readonly messages: number }>,
  end: ExportEnd,
): void {
  if (end.manifest_sha256 !== manifestSha256) throw altered(file, "its first line was changed");
  for (const key of STREAM_KEYS) {
    const is = found.get(key);
    const should = end.streams[key];
    const messages = is?.messages ?? 0;
    if (messages !== (should?.messages ?? 0)) {
      throw altered(file, `it holds ${messages} ${key}, but should hold ${should?.messages ?? 0}`);
    }
    if (is !== undefined && is.hash.digest("hex") !== should?.sha256) {
      throw altered(file, `the checksum of its ${key} is another`);
    }
  }
}

/** The messages of a file that was checked, in the order of the file, some at a time. */
export async function* messagesOf(
  file: string,
  onProgress?: OnProgress,
): AsyncGenerator<ExportedMessage[]> {
  for await (const lines of linesOf(file, onProgress)) {
    yield lines.filter((line) => streamOfLine(line) !== undefined).map(parseMessageLine);
  }
}

/** Lines with their ends, some at a time. @throws AppError. */
async function* linesOf(file: string, onProgress?: OnProgress): AsyncGenerator<Buffer[]> {
  const size = await sizeOf(file);
  const input = createReadStream(file);
  const output = createGunzip({ chunkSize: 256 * 1024 });
  input.on("error", (error) => output.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of input.pipe(output) as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const lines = wholeLines(bytes);
      rest = bytes.subarray(lines.reduce((sum, { length }) => sum + length, 0));
      if (lines.length > 0) yield lines;
      if (rest.length > MAX_LINE_BYTES) throw notExport(file, "it has a line without end");
      onProgress?.(input.bytesRead / size);
    }
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    input.destroy();
    output.destroy();
  }
  if (rest.length > 0) throw cutOff(file);
}

function wholeLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
    lines.push(bytes.subarray(from, at + 1));
    from = at + 1;
  }
  return lines;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return Math.max(1, (await stat(file)).size);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = isMissing ? "there is no such file" : messageOf(error);
    throw new AppError(isMissing ? "not_found" : "unavailable", `${file} can't be read: ${why}`);
  }
}

function unreadable(file: string, error: unknown): Error {
  if (error instanceof AppError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "Z_BUF_ERROR") return cutOff(file);
  if (code === "Z_DATA_ERROR" && messageOf(error).includes("header check")) {
    return notExport(file, "it is not compressed with gzip");
  }
  if (code?.startsWith("Z_") === true) return altered(file, messageOf(error));
  return error instanceof Error ? error : new Error(messageOf(error));
}

function parseManifest(file: string, line: Buffer): ExportManifest {
  const value = jsonOf(line) as { runbeat_export?: unknown } | undefined;
  const version = value?.runbeat_export;
  if (typeof version !== "number") throw notExport(file, "its first line is no manifest");
  if (version !== EXPORT_VERSION) {
    throw new AppError(
      "invalid",
      `${file} has the form ${version} of exports, and this Runbeat reads form ${EXPORT_VERSION}: use the version that wrote it, or a later one`,
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw altered(file, "its first line is no manifest");
  return parsed.data;
}

function parseEnd(file: string, line: Buffer): ExportEnd {
  const parsed = endSchema.safeParse(jsonOf(line));
  if (!parsed.success) throw altered(file, "it has a line that is no message");
  return parsed.data;
}

function jsonOf(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
}

function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function cutOff(file: string): AppError {
  return new AppError(
    "invalid",
    `${file} is cut off: its last line is missing. Copy it again, or export again`,
  );
}

function altered(file: string, why: string): AppError {
  return new AppError("invalid", `${file} is not as it was exported: ${why}. Copy it again`);
}

function notExport(file: string, why: string): AppError {
  return new AppError("invalid", `${file} is no export of Runbeat: ${why}`);
}
