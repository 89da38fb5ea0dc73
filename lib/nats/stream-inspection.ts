import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { importOf } from "../core/imported-stream.ts";
import { ASYNC_PERSIST_VERSION, isAtLeast, openJetStream } from "./jetstream.ts";
import { compareStream, describeChange } from "./stream-changes.ts";
import { declareStreams } from "./stream-declarations.ts";
import type { StreamDeclaration, StreamOptions } from "./stream-declarations.ts";

/** How the streams stand against their declarations; nothing is changed. */
export interface StreamInspection {
  readonly missing: readonly string[];
  /** `RUNBEAT_EVENTS: max_age is …`: put right by the next start. */
  readonly differences: readonly string[];
  /** The same, but a start would refuse to go on. */
  readonly conflicts: readonly string[];
  /** Server's clock minus ours, milliseconds, by half the way there and back; null if unknown. */
  readonly clockSkewMs: number | null;
}

/** @throws AppError `unavailable` without JetStream. */
export async function inspectStreams(
  nc: NatsConnection,
  options: StreamOptions,
): Promise<StreamInspection> {
  const jsm = await openJetStream(nc);
  const canBeAsync = isAtLeast(nc.info?.version ?? "0", ASYNC_PERSIST_VERSION);
  const missing: string[] = [];
  const differences: string[] = [];
  const conflicts: string[] = [];
  let clockSkewMs: number | null = null;
  for (const { config, isAutomaticSize } of declareStreams(options)) {
    const sentAt = Date.now();
    const info = await findStream(jsm, config.name);
    if (info === undefined) {
      missing.push(config.name);
      continue;
    }
    if (info.ts !== undefined) clockSkewMs = Date.parse(info.ts) - (sentAt + Date.now()) / 2;
    if (importOf(info.config) !== undefined) continue;
    const wants = wantedOf({ config, isAutomaticSize }, canBeAsync);
    const { possible, impossible } = compareStream(info.config, wants);
    differences.push(...possible.map((change) => `${config.name}: ${describeChange(change)}`));
    conflicts.push(...impossible.map((change) => `${config.name}: ${describeChange(change)}`));
  }
  return { missing, differences, conflicts, clockSkewMs };
}

/** A size that was chosen by the room there was at a start is right as it is. */
function wantedOf(
  { config, isAutomaticSize }: Pick<StreamDeclaration, "config" | "isAutomaticSize">,
  canBeAsync: boolean,
): Partial<StreamDeclaration["config"]> {
  const { max_bytes, persist_mode, ...rest } = config;
  return {
    ...rest,
    ...(isAutomaticSize || max_bytes === undefined ? {} : { max_bytes }),
    ...(canBeAsync && persist_mode !== undefined ? { persist_mode } : {}),
  };
}

/** The stream as the server has it; undefined where there is none of that name. */
export async function findStream(
  jsm: JetStreamManager,
  name: string,
): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    const isMissing =
      error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
    if (isMissing) return undefined;
    throw error;
  }
}
