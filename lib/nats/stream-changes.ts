/** How a stream differs from its declaration, and which differences can be put right in place. */
import { PersistMode } from "@nats-io/jetstream";
import type { StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";

export interface FieldChange {
  readonly field: string;
  readonly has: unknown;
  readonly wants: unknown;
}

export interface StreamChanges {
  /** The server applies them to the stream as it is. */
  readonly possible: readonly FieldChange[];
  /** The server can't apply them to an existing stream. */
  readonly impossible: readonly FieldChange[];
  /** Differences that do no harm and stay. */
  readonly harmless: readonly FieldChange[];
}

/** What the server leaves out of its answer. */
const ABSENT: Readonly<Record<string, unknown>> = {
  description: "",
  persist_mode: PersistMode.Default,
  compression: "none",
  allow_msg_ttl: false,
  allow_rollup_hdrs: false,
  allow_direct: false,
  deny_delete: false,
  deny_purge: false,
};

/** Compares a stream's configuration with the declared one; other fields are the operator's. */
export function compareStream(has: StreamConfig, wants: Partial<StreamConfig>): StreamChanges {
  const all = (Object.keys(wants) as (keyof StreamConfig)[])
    .map((field) => ({ field, has: has[field] ?? ABSENT[field], wants: wants[field] }))
    .filter((change) => JSON.stringify(change.has) !== JSON.stringify(change.wants));
  return {
    possible: all.filter((change) => !isFixed(change)),
    impossible: [
      ...all.filter((change) => isFixed(change) && !isHarmless(change)),
      ...foreign(has),
    ],
    harmless: all.filter(isHarmless),
  };
}

/** Source: nats-server's configUpdateCheck. */
function isFixed({ field, has, wants }: FieldChange): boolean {
  switch (field) {
    case "name":
    case "storage":
    case "persist_mode":
      return true;
    case "subjects":
      // Another prefix: the stream belongs to another installation, or its history would not fit.
      return true;
    case "retention":
      return has === "workqueue" || wants === "workqueue";
    case "deny_delete":
    case "deny_purge":
    case "allow_msg_ttl":
      return has === true;
    default:
      return false;
  }
}

/** A stream made by an older server is safer than it need be, and only slower. */
function isHarmless({ field, wants }: FieldChange): boolean {
  return field === "persist_mode" && wants === PersistMode.Async;
}

function foreign(has: StreamConfig): FieldChange[] {
  const changes: FieldChange[] = [];
  if (has.sealed) changes.push({ field: "sealed", has: true, wants: false });
  if (has.mirror !== undefined) {
    changes.push({ field: "mirror", has: has.mirror.name, wants: "none" });
  }
  return changes;
}

/** `max_age is 1h, but must be 24h`. */
export function describeChange({ field, has, wants }: FieldChange): string {
  return `${field} is ${shown(field, has)}, but must be ${shown(field, wants)}`;
}

const NANOS_PER_SEC = nanos(1000);

function shown(field: string, value: unknown): string {
  if (typeof value !== "number") return JSON.stringify(value) ?? "not set";
  if (field === "max_age" || field === "duplicate_window") return `${value / NANOS_PER_SEC} s`;
  return value === -1 ? "unlimited" : String(value);
}
