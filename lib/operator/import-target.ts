/** The streams that an export is put into: whether they are free, how they are made and closed. */
import { DiscardPolicy, PersistMode } from "@nats-io/jetstream";
import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { IMPORT_KEYS, importOf } from "../core/imported-stream.ts";
import { STREAM_KEYS, streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { parseTime } from "../core/time.ts";
import { ASYNC_PERSIST_VERSION, isAtLeast, openJetStream } from "../nats/jetstream.ts";
import { declareStreams } from "../nats/stream-declarations.ts";
import type { StreamOptions } from "../nats/stream-declarations.ts";
import { findStream } from "../nats/stream-inspection.ts";
import type { CheckedExport } from "./export-reader.ts";

export type ImportTarget =
  | { readonly kind: "free" }
  | {
      readonly kind: "import";
      readonly id: string;
      readonly isComplete: boolean;
      /** Where its clock stands, epoch ms. */
      readonly endMs: number | undefined;
    }
  /** Holds messages of its own; `why` says which, and what to do. */
  | { readonly kind: "occupied"; readonly why: string };

/** Whether an installation's streams are an import's, whole or not. */
export async function isImport(nc: NatsConnection, prefixes: Prefixes): Promise<boolean> {
  const jsm = await openJetStream(nc);
  return (await infosOf(jsm, prefixes)).some(({ config }) => importOf(config) !== undefined);
}

/** What an installation's streams hold. */
export async function findTarget(jsm: JetStreamManager, prefixes: Prefixes): Promise<ImportTarget> {
  const infos = await infosOf(jsm, prefixes);
  const own = infos.filter(({ config, state }) => importOf(config) === undefined && isUsed(state));
  if (own.length > 0) return { kind: "occupied", why: whyOccupied(own) };
  const imports = infos.flatMap(({ config }) => importOf(config) ?? []);
  const [first] = imports;
  if (first === undefined) return { kind: "free" };
  const isComplete =
    imports.length === STREAM_KEYS.length && imports.every((found) => found.isComplete);
  return { kind: "import", id: first.id, isComplete, endMs: first.endMs };
}

function isUsed(state: StreamInfo["state"]): boolean {
  return state.last_seq > 0 && state.last_seq >= state.first_seq - 1 && state.messages > 0;
}

function whyOccupied(infos: readonly StreamInfo[]): string {
  const held = infos.map(({ config, state }) => `${config.name} has ${state.messages}`);
  return (
    `An export can only be put where nothing is yet, and here are messages: ${held.join(", ")}. ` +
    "Give it a data folder of its own with --data-dir, or another NATS with --nats-url"
  );
}

async function infosOf(jsm: JetStreamManager, prefixes: Prefixes): Promise<StreamInfo[]> {
  const infos = await Promise.all(
    STREAM_KEYS.map(async (key) => await findStream(jsm, streamName(prefixes, key))),
  );
  return infos.filter((info) => info !== undefined);
}

/** Makes those streams that are not there yet; empty ones of the installation's own give way. */
export async function makeImportedStreams(
  nc: NatsConnection,
  jsm: JetStreamManager,
  options: StreamOptions,
  imported: CheckedExport,
): Promise<void> {
  const isAsync =
    isAtLeast(nc.info?.version ?? "0", ASYNC_PERSIST_VERSION) && (options.replicas ?? 1) === 1;
  for (const { key, config } of declareStreams(unlimited(options))) {
    if (key === "state") continue;
    const info = await findStream(jsm, config.name);
    if (info !== undefined && importOf(info.config) !== undefined) continue;
    if (info !== undefined) await jsm.streams.delete(config.name);
    const { persist_mode: _, ...declared } = config;
    await jsm.streams.add({
      ...declared,
      description: `${config.description}, as imported`,
      discard: DiscardPolicy.New,
      first_seq: firstSeqOf(imported, key),
      metadata: metadataOf(imported),
      // The file has it all: what a power failure takes is imported again.
      ...(isAsync ? { persist_mode: PersistMode.Async } : {}),
    });
  }
}

/** An export keeps what it holds, however old. */
function unlimited(options: StreamOptions): StreamOptions {
  const limits = { maxAgeSec: 0, maxBytes: -1, maxMessages: null };
  const all = Object.fromEntries(STREAM_KEYS.map((key) => [key, limits]));
  return { ...options, limits: all as StreamOptions["limits"] };
}

function firstSeqOf({ end, manifest }: CheckedExport, key: StreamKey): number {
  return end.streams[key]?.first_seq ?? manifest.streams[key]?.first_seq ?? 1;
}

function metadataOf({ id, manifest }: CheckedExport): Record<string, string> {
  const endMs = parseTime(manifest.to) ?? 0;
  return {
    [IMPORT_KEYS.id]: id,
    [IMPORT_KEYS.end]: String(endMs),
    [IMPORT_KEYS.state]: "running",
  };
}

/** Compares the streams with the export's counts, and closes them for good. */
export async function sealStreams(
  jsm: JetStreamManager,
  prefixes: Prefixes,
  imported: CheckedExport,
): Promise<void> {
  for (const key of STREAM_KEYS) {
    const name = streamName(prefixes, key);
    const { state, config } = await jsm.streams.info(name);
    const messages = imported.end.streams[key]?.messages ?? 0;
    if (state.messages !== messages) {
      throw new AppError(
        "conflict",
        `Stream ${name} holds ${state.messages} messages after the import, but the file has ${messages}: start again with --discard, on a NATS that nobody else writes to`,
      );
    }
    if (importOf(config)?.isComplete === true) continue;
    const metadata = { ...config.metadata, [IMPORT_KEYS.state]: "complete" };
    // The client knows the field of a stream, but not that it can be updated.
    const sealed: Partial<StreamConfig> = { metadata, sealed: true };
    await jsm.streams.update(name, sealed);
  }
}

/** Deletes what was imported, and nothing else. @returns the names of the streams that went. */
export async function discardImport(jsm: JetStreamManager, prefixes: Prefixes): Promise<string[]> {
  const infos = await infosOf(jsm, prefixes);
  const names = infos
    .filter(({ config }) => importOf(config) !== undefined)
    .map(({ config }) => config.name);
  for (const name of names) await jsm.streams.delete(name);
  return names;
}
