/**
 * Puts an export into an installation that has no messages of its own. Every message gets its old
 * sequence, and its old time in a header; holes are made by storing empty messages in their place
 * and purging those at the end. When all is there the streams are sealed: what they hold is a
 * record, and nothing can be added to it.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { STREAM_KEYS, streamName } from "../core/subject.ts";
import type { StreamOptions } from "../nats/stream-declarations.ts";
import { messagesOf } from "./export-reader.ts";
import type { CheckedExport, OnProgress } from "./export-reader.ts";
import { ImportPublisher, gapSubject } from "./import-publisher.ts";
import { findTarget, makeImportedStreams, sealStreams } from "./import-target.ts";

export interface ImportOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly streams: StreamOptions;
  readonly export: CheckedExport;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface ImportReport {
  /** `there`: everything was there already; `resumed`: a part was. */
  readonly outcome: "imported" | "resumed" | "there";
  readonly messages: number;
}

/**
 * Imports what is not there yet: an import that was interrupted goes on where it ended.
 * @throws AppError `conflict` where the streams hold anything else or somebody else writes to them,
 *   `unavailable` when JetStream does not answer.
 */
export async function importStreams(options: ImportOptions): Promise<ImportReport> {
  const { nc, jsm, streams } = options;
  const { id, messages } = options.export;
  const target = await findTarget(jsm, streams.prefixes);
  if (target.kind === "occupied") throw new AppError("conflict", target.why);
  if (target.kind === "import" && target.id !== id) throw otherImport(target.id);
  if (target.kind === "import" && target.isComplete) return { outcome: "there", messages };
  await makeImportedStreams(nc, jsm, streams, options.export);
  await publishAll(options);
  await openGaps(options);
  await sealStreams(jsm, streams.prefixes, options.export);
  return { outcome: target.kind === "import" ? "resumed" : "imported", messages };
}

function otherImport(id: string): AppError {
  return new AppError(
    "conflict",
    `Another export (${id}) was imported here: give this one a data folder of its own with --data-dir, or throw the other away with --discard`,
  );
}

async function publishAll({ nc, jsm, streams, signal, ...options }: ImportOptions): Promise<void> {
  const { file, manifest } = options.export;
  const publisher = new ImportPublisher({ nc, to: streams.prefixes, from: manifest.prefixes });
  try {
    await publisher.open(jsm);
    for await (const messages of messagesOf(file, options.onProgress)) {
      signal?.throwIfAborted();
      for (const message of messages) {
        if (publisher.needsGap(message)) await publisher.fillGap(message);
        publisher.publish(message);
        if (publisher.isFull) await publisher.settled();
      }
    }
    await publisher.finish();
  } finally {
    publisher.close();
  }
}

/** Takes out what stands where the export has nothing. */
async function openGaps({ jsm, streams: { prefixes } }: ImportOptions): Promise<void> {
  for (const key of STREAM_KEYS) {
    const filter = gapSubject(prefixes, key);
    const name = streamName(prefixes, key);
    const { state } = await jsm.streams.info(name, { subjects_filter: filter });
    if ((state.subjects?.[filter] ?? 0) > 0) await jsm.streams.purge(name, { filter });
  }
}
