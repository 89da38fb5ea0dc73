/** Official release archives, checked against the list of checksums beside them. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { AppError, messageOf } from "../core/errors.ts";
import type { FetchContext, ProgramSource } from "./locate-program.ts";
import { fileFromTar } from "./tar.ts";

/** A machine without a way to the internet should notice quickly. */
const SUMS_TIMEOUT_MS = 5_000;
const ARCHIVE_TIMEOUT_MS = 300_000;
const MAX_SUMS_BYTES = 1_048_576;
const MAX_ARCHIVE_BYTES = 268_435_456;
const MIB = 1_048_576;

export interface ReleaseOptions {
  /** Of the program within the archive. */
  readonly name: string;
  readonly version: string;
  /** Folder of the release: holds the archive and `SHA256SUMS`. */
  readonly url: string;
  /** File name of the archive, a gzipped tar; undefined where this machine has none. */
  readonly archive: string | undefined;
}

/** A source for {@link locateProgram}. */
export function releaseSource(options: ReleaseOptions): ProgramSource {
  const { name, version } = options;
  return {
    what: `the official release ${version}`,
    fetch: async (folder, context) => {
      const program = await fetchRelease(options, context);
      await writeFile(join(folder, name), program, { mode: 0o755 });
    },
  };
}

/**
 * @throws AppError `unavailable` when it can't be had, `conflict` when a checksum is wrong: then
 *   nothing of it is used.
 */
async function fetchRelease(options: ReleaseOptions, context: FetchContext): Promise<Buffer> {
  const { archive, url, name } = options;
  if (archive === undefined) {
    throw new AppError("unavailable", `no release for ${process.platform} on ${process.arch}`);
  }
  const sums = await download(`${url}/SHA256SUMS`, SUMS_TIMEOUT_MS, MAX_SUMS_BYTES, context);
  const expected = sumOf(sums.toString("utf8"), archive);
  if (expected === undefined) {
    throw new AppError("unavailable", `${url}/SHA256SUMS does not list ${archive}`);
  }
  context.say(`${name}: downloading ${archive}`);
  const bytes = await download(`${url}/${archive}`, ARCHIVE_TIMEOUT_MS, MAX_ARCHIVE_BYTES, context);
  checkSum(bytes, expected, archive);
  context.say(`${name}: ${(bytes.length / MIB).toFixed(1)} MiB, checksum as listed`);
  return await unpack(bytes, archive, name);
}

function sumOf(sums: string, archive: string): string | undefined {
  for (const line of sums.split("\n")) {
    const [sum, file] = line.trim().split(/\s+\*?/);
    if (file === archive && sum !== undefined) return sum.toLowerCase();
  }
  return undefined;
}

function checkSum(bytes: Buffer, expected: string, archive: string): void {
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (actual === expected) return;
  throw new AppError(
    "conflict",
    `${archive} is NOT what its publisher listed: SHA-256 is ${actual}, SHA256SUMS says ` +
      `${expected}. It was thrown away. Try again, and if it stays so, tell your network's keeper`,
  );
}

async function unpack(bytes: Buffer, archive: string, name: string): Promise<Buffer> {
  const tar = await promisify(gunzip)(bytes, { maxOutputLength: MAX_ARCHIVE_BYTES }).catch(
    (error: unknown) => {
      throw new AppError("unavailable", `${archive} can't be unpacked: ${messageOf(error)}`);
    },
  );
  const program = fileFromTar(tar, name);
  if (program === undefined) throw new AppError("unavailable", `${archive} has no ${name} in it`);
  return program;
}

async function download(
  url: string,
  timeoutMs: number,
  maxBytes: number,
  context: FetchContext,
): Promise<Buffer> {
  const signals = [AbortSignal.timeout(timeoutMs), ...(context.signal ? [context.signal] : [])];
  try {
    const response = await fetch(url, { signal: AbortSignal.any(signals) });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return await boundedBody(response, maxBytes);
  } catch (error) {
    context.signal?.throwIfAborted();
    const cause = (error as Error).cause;
    const why = cause instanceof Error ? cause.message : messageOf(error);
    throw new AppError("unavailable", `${url} can't be had: ${why}`, { cause: error });
  }
}

async function boundedBody(response: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
