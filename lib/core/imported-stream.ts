/**
 * Streams that were imported. A server gives every message the time at which it came, so an
 * imported one carries the time that counts in a header, and its stream's metadata say so.
 */

/** Epoch ms as digits. Looked at in imported streams only: anybody can publish a header. */
export const IMPORTED_TIME_HEADER = "Runbeat-Imported-Time";

/** Keys of an imported stream's metadata. */
export const IMPORT_KEYS = {
  /** Names the export. */
  id: "runbeat.imported",
  /** The moment up to which was exported, epoch ms as digits: where the clock stands. */
  end: "runbeat.imported_end",
  /** `complete` once every message is there. */
  state: "runbeat.import_state",
} as const;

/** What a stream's configuration says of where it came from. */
export interface StreamOrigin {
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StreamImport {
  readonly id: string;
  /** Epoch ms; undefined where the metadata do not say. */
  readonly endMs: number | undefined;
  readonly isComplete: boolean;
}

/** Undefined for a stream that was not imported. */
export function importOf({ metadata }: StreamOrigin): StreamImport | undefined {
  const id = metadata?.[IMPORT_KEYS.id];
  if (id === undefined) return undefined;
  return {
    id,
    endMs: parseMillis(metadata?.[IMPORT_KEYS.end] ?? ""),
    isComplete: metadata?.[IMPORT_KEYS.state] === "complete",
  };
}

/** A stream's way from the time at which a message came to the time that counts, epoch ms. */
export type MessageClock = (
  storedMs: number,
  headers: { get(name: string): string } | undefined,
) => number;

/** How times are told in a stream. */
export function clockOf(stream: StreamOrigin): MessageClock {
  return importOf(stream) === undefined ? (storedMs) => storedMs : importedTime;
}

/** Of a message of an imported stream; one without the header keeps the time at which it came. */
export const importedTime: MessageClock = (storedMs, headers) =>
  parseMillis(headers?.get(IMPORTED_TIME_HEADER) ?? "") ?? storedMs;

function parseMillis(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
