/** Imports an export into the installation of a context, on whatever NATS server there is for it. */
import { join } from "node:path";
import { AppError } from "../lib/core/errors.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { reconcileStreams } from "../lib/nats/streams.ts";
import { checkExport } from "../lib/operator/export-reader.ts";
import type { CheckedExport } from "../lib/operator/export-reader.ts";
import { importStreams } from "../lib/operator/import-streams.ts";
import type { ImportReport } from "../lib/operator/import-streams.ts";
import { discardImport } from "../lib/operator/import-target.ts";
import { takeExclusiveLock } from "../lib/store/exclusive-lock.ts";
import { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { natsOptions, natsUrl } from "./nats-options.ts";
import { percentText, progressLine } from "./progress-line.ts";
import { streamOptions } from "./stream-options.ts";
import { startNats } from "./up-nats.ts";
import { readUpRecord } from "./up-record.ts";

export interface ImportOutcome {
  /** Names of the streams that were thrown away. */
  readonly discarded: readonly string[];
  readonly imported: (ImportReport & { readonly export: CheckedExport }) | undefined;
}

/** Reads the whole file before anything is written. @throws AppError as {@link checkExport}. */
export async function checkFile(file: string, signal: AbortSignal): Promise<CheckedExport> {
  const progress = progressLine();
  try {
    return await checkExport(file, (part) => {
      signal.throwIfAborted();
      progress.show(`checking ${file}: ${percentText(part)}`);
    });
  } finally {
    progress.clear();
  }
}

interface ImportWish {
  readonly checked: CheckedExport | undefined;
  /** Whether what was imported before goes first. */
  readonly isDiscarding: boolean;
  readonly signal: AbortSignal;
}

export async function importInto(context: Context, wish: ImportWish): Promise<ImportOutcome> {
  const { checked, isDiscarding, signal } = wish;
  const closers = new Closers();
  const progress = progressLine();
  try {
    const url = await serverFor(context, closers, signal);
    const nc = await connectNats({ ...natsOptions(context, "runbeat import"), url });
    closers.push("the connection", async () => await nc.close());
    const jsm = await openJetStream(nc);
    const streams = streamOptions(context.settings);
    const discarded = isDiscarding ? await discardImport(jsm, streams.prefixes) : [];
    if (checked === undefined) return { discarded, imported: undefined };
    const onProgress = (part: number): void => progress.show(`importing: ${percentText(part)}`);
    const report = await importStreams({ nc, jsm, streams, export: checked, signal, onProgress });
    await reconcileStreams(nc, streams);
    return { discarded, imported: { ...report, export: checked } };
  } finally {
    progress.clear();
    await closers.closeAll(context.log);
  }
}

/** The server that is configured or runs on the data folder, or the folder's own for a while. */
async function serverFor(context: Context, closers: Closers, signal: AbortSignal): Promise<string> {
  const { settings, paths } = context;
  if (settings.nats.url !== null || readUpRecord(paths) !== undefined) return natsUrl(context);
  const lock = takeExclusiveLock(join(paths.dataDir, "up.lock"));
  if (lock === undefined) {
    throw new AppError(
      "conflict",
      `A runbeat up or import is at work on the data folder ${paths.dataDir}: wait for it, or name another folder with --data-dir`,
    );
  }
  closers.push("the lock of the data folder", () => lock.release());
  const onAnyPort = { ...settings, nats: { ...settings.nats, port: 0 } };
  const nats = await startNats({ ...context, settings: onAnyPort }, signal);
  closers.push("the NATS server", async () => await nats.stop());
  return nats.url;
}
