import { thresholdScale } from "./status.ts";
import type { Liveness, PipelineView, Thresholds } from "./status.ts";

/** A span of time, `after` not included, `until` included, in epoch ms. */
export interface StatusWindow {
  readonly after: number;
  readonly until: number;
}

const ALWAYS: StatusWindow = { after: -Infinity, until: Infinity };

/**
 * The time around `now` in which `statusOf` gives the same answer as long as nothing new is heard:
 * what lets a reader of 100,000 runners work out again only those whose time has come. It may be
 * shorter than the longest such time, never longer.
 */
export function statusWindow(
  runner: Liveness,
  now: number,
  thresholds: Thresholds,
  view: PipelineView,
): StatusWindow {
  if (view.blindSince !== null) return ALWAYS;
  const { lastHeartbeatAt } = runner;
  if (lastHeartbeatAt === null && runner.endedAt !== null) return ALWAYS;
  const blindEnd = view.lastBlind?.to ?? null;
  if (lastHeartbeatAt !== null) {
    return narrow(now, lastHeartbeatAt, blindEnd, ageLimits(runner, thresholds));
  }
  const start = runner.spawnedAt ?? runner.declaredAt;
  if (start === null) return { after: now - 1, until: now };
  return narrow(now, start, blindEnd, [Math.floor(thresholds.startGraceSec * 1000)]);
}

function ageLimits(runner: Liveness, thresholds: Thresholds): readonly number[] {
  const scale = thresholdScale(runner.intervalSec, thresholds) * 1000;
  const { onlineSec, staleSec, offlineSec } = thresholds;
  // Ages are whole ms. A fraction added to an epoch time could be rounded up past the next whole one.
  return [onlineSec, staleSec, offlineSec].map((limitSec) => Math.floor(limitSec * scale));
}

/** Ages count from what was heard last, or from the end of our own blindness where that is later. */
function narrow(
  now: number,
  from: number,
  blindEnd: number | null,
  limits: readonly number[],
): StatusWindow {
  let after = -Infinity;
  let until = Infinity;
  const bound = (time: number): void => {
    if (time < now) after = Math.max(after, time);
    else until = Math.min(until, time);
  };
  for (const limit of limits) bound(from + limit);
  if (blindEnd !== null && from < blindEnd) {
    bound(blindEnd - 1);
    for (const limit of limits) bound(blindEnd + limit);
  }
  return { after, until };
}
