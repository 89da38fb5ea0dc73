import { JetStreamApiError } from "@nats-io/jetstream";
import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { importOf } from "../core/imported-stream.ts";
import { ASYNC_PERSIST_VERSION, isAtLeast, openJetStream } from "./jetstream.ts";
import { compareStream, describeChange } from "./stream-changes.ts";
import type { FieldChange } from "./stream-changes.ts";
import { MAX_HEARTBEAT_STREAM_BYTES, declareStreams } from "./stream-declarations.ts";
import type { StreamDeclaration, StreamOptions } from "./stream-declarations.ts";

/** Source: nats-server's errors.json. */
const NOT_FOUND = 10_059;
const NAME_IN_USE = 10_058;
const SUBJECTS_OVERLAP = 10_065;
const NO_STORAGE = [10_023, 10_028, 10_047];
const NO_REPLICAS = [10_074, 10_005];

/** An automatic size is halved down to this before the server counts as full. */
const LEAST_BYTES = 2 ** 26;

export interface StreamReport {
  readonly key: StreamDeclaration["key"];
  readonly stream: string;
  readonly outcome: "created" | "updated" | "unchanged";
  readonly changes: readonly FieldChange[];
  /** What an operator should know, one sentence each. */
  readonly notes: readonly string[];
}

type Config = StreamDeclaration["config"];

/**
 * Makes the server's streams what they are declared to be: creates what is missing and changes
 * limits in place. Safe to run from several processes at once.
 * @throws AppError `conflict` for a difference that can't be applied in place or subjects that
 *   another stream has, `unavailable` when JetStream is off, mute, too old or out of room.
 */
export async function reconcileStreams(
  nc: NatsConnection,
  options: StreamOptions,
): Promise<StreamReport[]> {
  const jsm = await openJetStream(nc);
  const canBeAsync = isAtLeast(nc.info?.version ?? "0", ASYNC_PERSIST_VERSION);
  const reports: StreamReport[] = [];
  for (const declaration of await declare(jsm, options)) {
    const config = canBeAsync ? declaration.config : withoutPersistMode(declaration.config);
    reports.push(await reconcile(jsm, { ...declaration, config }));
  }
  return reports;
}

/**
 * What heartbeats take already is as good as free for them: the limit must not shrink by itself.
 * Who can't see the server's disk leaves the limit as who could has set it.
 */
async function declare(
  jsm: JetStreamManager,
  options: StreamOptions,
): Promise<StreamDeclaration[]> {
  const [heartbeats] = declareStreams(options);
  if (heartbeats === undefined || !heartbeats.isAutomaticSize) return declareStreams(options);
  const info = await find(jsm, heartbeats.config.name);
  if (info === undefined) return declareStreams(options);
  if (options.freeDiskBytes === undefined) return declareStreams(keepingSize(options, info));
  const freeDiskBytes = options.freeDiskBytes + info.state.bytes;
  return declareStreams({ ...options, freeDiskBytes });
}

function keepingSize(options: StreamOptions, { config }: StreamInfo): StreamOptions {
  const isAutomatic = config.max_bytes > 0 && config.max_bytes < MAX_HEARTBEAT_STREAM_BYTES;
  if (!isAutomatic) return options;
  const heartbeats = { ...options.limits.heartbeats, maxBytes: config.max_bytes };
  return { ...options, limits: { ...options.limits, heartbeats } };
}

function withoutPersistMode(config: Config): Config {
  const { persist_mode: _, ...rest } = config;
  return rest;
}

async function reconcile(
  jsm: JetStreamManager,
  declaration: StreamDeclaration,
): Promise<StreamReport> {
  const info = await find(jsm, declaration.config.name);
  if (info !== undefined) return await update(jsm, declaration, info.config);
  try {
    return await create(jsm, declaration);
  } catch (error) {
    if (codeOf(error) !== NAME_IN_USE) throw await refusal(jsm, declaration.config, error);
    // Another process was faster.
    const { config } = await jsm.streams.info(declaration.config.name);
    return await update(jsm, declaration, config);
  }
}

async function find(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (codeOf(error) === NOT_FOUND) return undefined;
    throw unavailable(name, error);
  }
}

async function create(
  jsm: JetStreamManager,
  declaration: StreamDeclaration,
): Promise<StreamReport> {
  const { key, config } = declaration;
  const notes = await fitting(declaration, async (fit) => await jsm.streams.add(fit));
  return { key, stream: config.name, outcome: "created", changes: [], notes };
}

/** An import made the stream as it is: with our limits, what is old would go. */
const AS_IMPORTED = { changes: [], notes: [] } as const;

async function update(
  jsm: JetStreamManager,
  declaration: StreamDeclaration,
  has: StreamConfig,
): Promise<StreamReport> {
  const { key, config } = declaration;
  if (importOf(has) !== undefined)
    return { key, stream: has.name, outcome: "unchanged", ...AS_IMPORTED };
  const { possible, impossible, harmless } = compareStream(has, config);
  if (impossible.length > 0) throw conflict(config.name, impossible);
  const notes = harmless.map(
    ({ field, has: kept }) => `${field} stays ${String(kept)}: it can't be changed in place`,
  );
  const base = { key, stream: config.name, notes };
  if (possible.length === 0) return { ...base, outcome: "unchanged", changes: [] };
  try {
    const sizeNotes = await fitting(declaration, async (fit) => {
      const wanted = Object.fromEntries(
        possible.map(({ field }) => [field, fit[field as keyof Config]]),
      );
      await jsm.streams.update(config.name, wanted);
    });
    const changes = sizeNotes.length === 0 ? possible : await applied(jsm, has, possible);
    const outcome = changes.length === 0 ? "unchanged" : "updated";
    return { ...base, outcome, changes, notes: [...notes, ...sizeNotes] };
  } catch (error) {
    throw await refusal(jsm, config, error, possible);
  }
}

/** The changes as they came out where a size had to be made smaller, maybe to what it was. */
async function applied(
  jsm: JetStreamManager,
  has: StreamConfig,
  changes: readonly FieldChange[],
): Promise<FieldChange[]> {
  const { config } = await jsm.streams.info(has.name);
  return changes
    .map((change) => ({ ...change, wants: config[change.field as keyof StreamConfig] }))
    .filter((change) => JSON.stringify(change.has) !== JSON.stringify(change.wants));
}

/** Halves a size that we chose ourselves until the server has room for it; returns notes. */
async function fitting(
  { config, isAutomaticSize }: StreamDeclaration,
  apply: (config: Config) => Promise<unknown>,
): Promise<string[]> {
  let bytes = config.max_bytes ?? -1;
  for (;;) {
    try {
      await apply({ ...config, ...(isAutomaticSize ? { max_bytes: bytes } : {}) });
      const isSmaller = isAutomaticSize && bytes !== config.max_bytes;
      return isSmaller ? [`keeps at most ${bytes} bytes: the server has no room for more`] : [];
    } catch (error) {
      const isTooBig = NO_STORAGE.includes(codeOf(error) ?? 0);
      if (!isAutomaticSize || !isTooBig || bytes / 2 < LEAST_BYTES) throw error;
      bytes /= 2;
    }
  }
}

function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

function conflict(stream: string, changes: readonly FieldChange[]): AppError {
  return new AppError(
    "conflict",
    `Stream ${stream} can't be made what Runbeat needs: ${changes.map(describeChange).join("; ")}. ` +
      `That can't be changed on an existing stream: delete ${stream} if its messages may go, or ` +
      "set nats.stream_prefix and nats.subject_prefix to ones of your own",
  );
}

async function refusal(
  jsm: JetStreamManager,
  config: Config,
  error: unknown,
  changes: readonly FieldChange[] = [],
): Promise<AppError> {
  const code = codeOf(error);
  if (code === undefined) return unavailable(config.name, error);
  if (code === SUBJECTS_OVERLAP) return await overlap(jsm, config, error);
  const what = changes.length === 0 ? "" : ` (${changes.map(describeChange).join("; ")})`;
  const isRoom = NO_STORAGE.includes(code) || NO_REPLICAS.includes(code);
  return new AppError(
    isRoom ? "unavailable" : "conflict",
    `The NATS server refuses stream ${config.name}${what}: ${messageOf(error)}. ` +
      refusalAdvice(code, config),
    { cause: error },
  );
}

function refusalAdvice(code: number, config: Config): string {
  if (NO_STORAGE.includes(code)) {
    return "Set streams.*.max_bytes to less, or give the server more max_file_store";
  }
  if (NO_REPLICAS.includes(code)) {
    return `Set nats.replicas to what the cluster has; it is ${config.num_replicas}`;
  }
  return "Change the setting back, or delete the stream if its messages may go";
}

async function overlap(jsm: JetStreamManager, config: Config, error: unknown): Promise<AppError> {
  const [subject = ""] = config.subjects;
  const other = await jsm.streams.find(subject).catch(() => "another stream");
  return new AppError(
    "conflict",
    `Stream ${config.name} can't have ${subject}: ${other} takes it. ` +
      "Set nats.subject_prefix to one of your own, or delete that stream",
    { cause: error },
  );
}

function unavailable(stream: string, error: unknown): AppError {
  return new AppError("unavailable", `Stream ${stream} can't be managed: ${messageOf(error)}`, {
    cause: error,
  });
}
