import type { Settings } from "../config/settings.ts";
import type { Prefixes } from "../lib/core/subject.ts";
import type { StreamOptions } from "../lib/nats/stream-declarations.ts";

export function prefixesOf({ nats }: Settings): Prefixes {
  return { subject: nats.subjectPrefix, stream: nats.streamPrefix };
}

/** How the streams should be. @param freeDiskBytes where the server's store is on this machine. */
export function streamOptions(settings: Settings, freeDiskBytes?: number): StreamOptions {
  return {
    prefixes: prefixesOf(settings),
    replicas: settings.nats.replicas,
    limits: settings.streams,
    ...(freeDiskBytes === undefined ? {} : { freeDiskBytes }),
  };
}
