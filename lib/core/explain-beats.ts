/** The last heartbeats: did they come as promised, did any get lost, is the clock right? */
import { isSameProcess } from "./current-process.ts";
import { plural, secondsText, spanText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { BeatLine, BeatSeen, ExplainFacts, Fact } from "./explanation.ts";

/** A heartbeat may be late by this part of its interval. */
const LATENESS = 1.5;
/** From here on a wrong clock is worth a word. */
const SKEW_MS = 2_000;

/** @param beats oldest first; the first one is there for the gap of the second. */
export function beatLines(
  beats: readonly BeatSeen[],
  { view, intervalSec }: { view: ExplainFacts["view"]; intervalSec: number },
): BeatLine[] {
  const last = new Map<string, BeatSeen>();
  return beats.map((beat) => {
    const { heartbeat, stream, seq, time } = beat;
    const key = `${heartbeat.host} ${heartbeat.pid} ${heartbeat.startedAt}`;
    const before = last.get(key);
    last.set(key, beat);
    const gapMs = before === undefined ? null : time - before.time;
    return {
      stream,
      seq,
      time,
      gapMs,
      isLate: gapMs !== null && gapMs > intervalSec * LATENESS * 1_000,
      lost: lostBetween(before?.heartbeat.seq ?? null, heartbeat.seq),
      count: heartbeat.seq,
      host: heartbeat.host,
      pid: heartbeat.pid,
      isCurrent: isOfCurrent(view, heartbeat),
      health: heartbeat.health,
      skewMs: heartbeat.ts === null ? null : heartbeat.ts - time,
      error: heartbeat.lastError,
    };
  });
}

function isOfCurrent({ current }: ExplainFacts["view"], beat: BeatSeen["heartbeat"]): boolean {
  if (current === undefined) return false;
  const { host, pid, startedAt } = current;
  const one = { host, pid, started_at: startedAt };
  return isSameProcess(one, { host: beat.host, pid: beat.pid, started_at: beat.startedAt });
}

function lostBetween(before: number | null, now: number | null): number {
  return before === null || now === null ? 0 : Math.max(0, now - before - 1);
}

export function beatFacts(lines: readonly BeatLine[] | undefined, intervalSec: number): Fact[] {
  if (lines === undefined) {
    return [fact("They can't be read at present: NATS is out of reach.", "warn")];
  }
  if (lines.length === 0) return [fact("The stream holds none of it.", "warn")];
  return [...promise(lines, intervalSec), ...losses(lines), ...strangers(lines), ...skew(lines)];
}

function promise(lines: readonly BeatLine[], intervalSec: number): Fact[] {
  const promised = `one every ${secondsText(intervalSec)}`;
  const gaps = lines.filter(({ gapMs }) => gapMs !== null);
  const late = gaps.filter(({ isLate }) => isLate);
  if (gaps.length === 0) return [fact(`Promised is ${promised}; too few came to compare.`)];
  if (late.length === 0) {
    return [fact(`They came as promised, ${promised}.`, "good")];
  }
  const worst = late.toSorted((a, b) => (b.gapMs ?? 0) - (a.gapMs ?? 0))[0];
  const longest = `the longest wait was ${spanText(worst?.gapMs ?? 0)}`;
  const text = `Promised is ${promised}, but ${late.length} of ${gaps.length} came late: ${longest}.`;
  return [fact(text, "warn", worst === undefined ? null : evidenceOf(worst))];
}

function evidenceOf({ stream, seq, time }: BeatLine) {
  return { stream, seq, time };
}

function losses(lines: readonly BeatLine[]): Fact[] {
  return lines
    .filter(({ lost }) => lost > 0)
    .map((line) => {
      const text = `Its own count leaps to ${line.count}: ${plural(line.lost, "heartbeat")} before it did not arrive.`;
      return fact(text, "warn", evidenceOf(line));
    });
}

function strangers(lines: readonly BeatLine[]): Fact[] {
  const others = lines.filter(({ isCurrent }) => !isCurrent);
  const newest = others.at(-1);
  if (newest === undefined) return [];
  const text = `${others.length} of them came from another process, such as pid ${newest.pid} on ${newest.host}: they say nothing of the current one.`;
  return [fact(text, "warn", evidenceOf(newest))];
}

function skew(lines: readonly BeatLine[]): Fact[] {
  const newest = lines.findLast(({ isCurrent, skewMs }) => isCurrent && skewMs !== null);
  if (newest === undefined || newest.skewMs === null) return [];
  const { skewMs } = newest;
  if (Math.abs(skewMs) < SKEW_MS) return [];
  const way = skewMs > 0 ? "ahead" : "behind";
  const text = `Its clock is ${spanText(skewMs)} ${way}. That changes no status: only the stream's clock counts.`;
  return [fact(text, "warn", evidenceOf(newest))];
}
