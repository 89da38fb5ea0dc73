/** A running `runbeat up` leaves its addresses in the data folder, for commands beside it. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { kernelIdentityOf } from "../lib/runner/process-identity.ts";
import type { KernelIdentity } from "../lib/runner/process-identity.ts";
import type { Paths } from "../config/paths.ts";

export interface UpRecord {
  /** Which process it is: a pid alone may be anybody's by now. */
  readonly process: KernelIdentity;
  readonly natsUrl: string;
  readonly apiUrl: string;
}

function recordFile({ dataDir }: Pick<Paths, "dataDir">): string {
  return join(dataDir, "up.json");
}

/** Says that this process is the one. */
export function writeUpRecord(paths: Paths, addresses: Omit<UpRecord, "process">): void {
  const file = recordFile(paths);
  const record = { process: kernelIdentityOf(process.pid), ...addresses };
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(record)}\n`);
  renameSync(draft, file);
}

export function removeUpRecord(paths: Paths): void {
  rmSync(recordFile(paths), { force: true });
}

/** Undefined where no `runbeat up` runs on this data folder. */
export function readUpRecord(paths: Pick<Paths, "dataDir">): UpRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(recordFile(paths), "utf8")) as UpRecord;
    const now = kernelIdentityOf(record.process.pid);
    return isDeepStrictEqual(now, record.process) ? record : undefined;
  } catch {
    return undefined;
  }
}
