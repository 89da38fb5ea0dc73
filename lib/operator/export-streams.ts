/** Reads a range of the streams and writes it to an export's file, in bounded memory. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { importOf } from "../core/imported-stream.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { formatTime } from "../core/time.ts";
import { findStream } from "../nats/stream-inspection.ts";
import { sequenceAt } from "../nats/stream-times.ts";
import { EXPORT_VERSION } from "./export-format.ts";
import type {
  ExportEnd,
  ExportedMessage,
  ExportedStream,
  ExportManifest,
} from "./export-format.ts";
import { ExportRedaction } from "./export-redaction.ts";
import { readRange } from "./export-range.ts";
import { ExportWriter } from "./export-writer.ts";

export interface ExportOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly streams: readonly StreamKey[];
  /** Epoch ms, inclusive; undefined: from the first message on. */
  readonly fromMs: number | undefined;
  /** Epoch ms, inclusive. */
  readonly toMs: number;
  /** An id or a pattern; undefined for all. */
  readonly runner: string | undefined;
  readonly isRedacted: boolean;
  readonly file: string;
  /** Of this program. */
  readonly version: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (stream: StreamKey, part: number) => void;
}

export interface ExportReport extends ExportEnd {
  readonly manifest: ExportManifest;
  /** What people should know of the file: messages that were gone before they were read. */
  readonly notices: readonly string[];
}

/**
 * Writes the file; it gets its name when it is whole, and nothing is left of one that is not.
 * @throws AppError `not_found` where none of the streams exist, `unavailable` where they can't be
 *   read or the file can't be written.
 */
export async function exportStreams(options: ExportOptions): Promise<ExportReport> {
  const manifest = await planExport(options);
  const writer = new ExportWriter(options.file, manifest);
  const redaction = options.isRedacted ? new ExportRedaction() : undefined;
  const take = (message: ExportedMessage): void =>
    writer.write(redaction === undefined ? message : redaction.apply(message));
  try {
    for (const key of options.streams) {
      const range = manifest.streams[key];
      if (range !== undefined) await readRange(options, { key, range, writer, take });
    }
    const end = await writer.finish();
    return { ...end, manifest, notices: noticesOf(options, manifest, end) };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function planExport(options: ExportOptions): Promise<ExportManifest> {
  const { jsm, prefixes, streams, fromMs, toMs, version } = options;
  const ranges: [StreamKey, ExportedStream][] = [];
  for (const key of streams) {
    const info = await findStream(jsm, streamName(prefixes, key));
    if (info !== undefined) ranges.push([key, await rangeOf(jsm, info, fromMs, toMs)]);
  }
  if (ranges.length === 0) {
    const names = streams.map((key) => streamName(prefixes, key)).join(", ");
    throw new AppError(
      "not_found",
      `There is nothing to export: the NATS server has none of ${names}. Name the right one with --nats-url`,
    );
  }
  return {
    runbeat_export: EXPORT_VERSION,
    version,
    created: formatTime(Date.now()),
    from: fromMs === undefined ? null : formatTime(fromMs),
    to: formatTime(toMs),
    runner: options.runner ?? null,
    redacted: options.isRedacted,
    prefixes,
    streams: Object.fromEntries(ranges),
  };
}

async function rangeOf(
  jsm: JetStreamManager,
  { config, created }: StreamInfo,
  fromMs: number | undefined,
  toMs: number,
): Promise<ExportedStream> {
  const last = await sequenceAt(jsm, config.name, toMs);
  const before = fromMs === undefined ? undefined : await sequenceAt(jsm, config.name, fromMs - 1);
  const first_seq = before === undefined ? last.firstSeq : before.seq + 1;
  return { name: config.name, created, first_seq, last_seq: Math.max(last.seq, first_seq - 1) };
}

function noticesOf({ runner }: ExportOptions, manifest: ExportManifest, end: ExportEnd): string[] {
  if (runner !== undefined) return [];
  return Object.entries(manifest.streams).flatMap(([key, { name, first_seq, last_seq }]) => {
    const first = end.streams[key as StreamKey]?.first_seq ?? last_seq + 1;
    if (last_seq < first_seq || first === first_seq) return [];
    return [`messages ${first_seq} to ${first - 1} of ${name} left the stream while it was read`];
  });
}

/** The moment that an installation shows as now: the server's clock, or where an import stands. */
export async function installationNow(jsm: JetStreamManager, prefixes: Prefixes): Promise<number> {
  const info = await findStream(jsm, streamName(prefixes, "heartbeats"));
  const endMs = info === undefined ? undefined : importOf(info.config)?.endMs;
  return endMs ?? (info?.ts === undefined ? Date.now() : Date.parse(info.ts));
}
