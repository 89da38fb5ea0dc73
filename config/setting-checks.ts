/** Settings that are right alone but not together. */
import { AppError } from "../lib/core/errors.ts";
import type { Settings } from "./settings.ts";

/**
 * @returns what is odd but allowed, a line each.
 * @throws AppError `invalid` for combinations that can't work.
 */
export function checkTogether(settings: Settings): string[] {
  checkThresholds(settings);
  checkDatabase(settings);
  checkNatsLogin(settings);
  checkHostLimits(settings);
  return intervalWarnings(settings);
}

function checkThresholds({ heartbeat }: Settings): void {
  const { onlineSec, staleSec, offlineSec } = heartbeat;
  if (onlineSec < staleSec && staleSec < offlineSec) return;
  throw new AppError(
    "invalid",
    `heartbeat.online_sec (${onlineSec}), stale_sec (${staleSec}) and offline_sec (${offlineSec}) ` +
      "must each be greater than the one before: set HEARTBEAT_ONLINE_SEC < HEARTBEAT_STALE_SEC < HEARTBEAT_OFFLINE_SEC",
  );
}

function checkDatabase({ databaseUrl }: Settings): void {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(databaseUrl ?? "")?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "sqlite" || scheme === "file") return;
  throw new AppError(
    "invalid",
    `database_url names a "${scheme}" database, but this version keeps its read models in SQLite only: ` +
      "give a path, sqlite:PATH or file:PATH, or leave it out",
  );
}

function checkHostLimits({ checks }: Settings): void {
  const pairs = [
    ["disk", checks.diskWarnPercent, checks.diskErrorPercent],
    ["memory", checks.memoryWarnPercent, checks.memoryErrorPercent],
  ] as const;
  for (const [what, warn, error] of pairs) {
    if (warn <= error) continue;
    throw new AppError(
      "invalid",
      `checks.${what}_warn_percent (${warn}) must not be above checks.${what}_error_percent (${error})`,
    );
  }
}

function checkNatsLogin({ nats }: Settings): void {
  if ((nats.tlsCert === null) !== (nats.tlsKey === null)) {
    throw new AppError(
      "invalid",
      "nats.tls_cert and nats.tls_key belong together: give both or neither",
    );
  }
  if (nats.password !== null && nats.user === null) {
    throw new AppError("invalid", "nats.password is set without nats.user: give both or neither");
  }
}

function intervalWarnings({ heartbeat }: Settings): string[] {
  if (heartbeat.intervalSec <= heartbeat.onlineSec) return [];
  return [
    `heartbeat.interval_sec (${heartbeat.intervalSec}) is longer than heartbeat.online_sec ` +
      `(${heartbeat.onlineSec}): healthy runners will be shown stale between two heartbeats`,
  ];
}
