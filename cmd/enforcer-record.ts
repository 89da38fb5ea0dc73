/** Who holds the enforcer's lock: beside it lies which process that is. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { AppError } from "../lib/core/errors.ts";
import { kernelIdentityOf } from "../lib/runner/process-identity.ts";

function recordFile(lockFile: string): string {
  return `${lockFile}.json`;
}

/** Only for the one that has just taken the lock. */
export function writeEnforcerRecord(lockFile: string): void {
  const file = recordFile(lockFile);
  writeFileSync(`${file}.new`, `${JSON.stringify(kernelIdentityOf(process.pid) ?? {})}\n`);
  renameSync(`${file}.new`, file);
}

export function removeEnforcerRecord(lockFile: string): void {
  rmSync(recordFile(lockFile), { force: true });
}

/** What the one that did not get the lock has to say. */
export function lockConflict(lockFile: string): AppError {
  return new AppError(
    "conflict",
    `Another enforcer${holder(lockFile)} holds ${lockFile}, and one is enough for a host: stop it, ` +
      "or give this one a lock of its own with ENFORCER_LOCK_FILE",
  );
}

function holder(lockFile: string): string {
  try {
    const record = JSON.parse(readFileSync(recordFile(lockFile), "utf8")) as { pid?: unknown };
    const now = typeof record.pid === "number" ? kernelIdentityOf(record.pid) : undefined;
    return isDeepStrictEqual(now, record) ? ` (process ${String(record.pid)})` : "";
  } catch {
    return "";
  }
}
