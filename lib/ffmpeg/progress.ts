/** Reads what `-progress` prints: blocks of key=value lines, one block about every half second. */

/** What a block says; null where it does not say. */
export interface ProgressBlock {
  /** Absent with `-c copy` since FFmpeg 6.1. */
  readonly frames: number | null;
  /** Microseconds of output. The key `out_time_ms` holds microseconds too, whatever its name. */
  readonly outTimeUs: number | null;
  readonly isEnd: boolean;
}

/** A line of a block is short; more than this without a line end is no progress at all. */
const MAX_LINE_CHARS = 4_096;

/** Feeds text in pieces of any size. Never refuses any: an unread pipe would freeze FFmpeg. */
export function createProgressParser(
  onBlock: (block: ProgressBlock) => void,
): (text: string) => void {
  let rest = "";
  let frames: number | null = null;
  let outTimeUs: number | null = null;
  const readLine = (line: string) => {
    const equals = line.indexOf("=");
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    if (key === "frame") frames = numberOf(value);
    else if (key === "out_time_us" || key === "out_time_ms") outTimeUs = numberOf(value);
    else if (key === "progress") {
      onBlock({ frames, outTimeUs, isEnd: value === "end" });
      frames = null;
      outTimeUs = null;
    }
  };
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() ?? "").slice(-MAX_LINE_CHARS);
    for (const line of lines) readLine(line);
  };
}

function numberOf(text: string): number | null {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? null : value;
}

const WINDOW_MS = 10_000;
/** Less than this says too little: frames come in bursts. */
const MIN_SPAN_MS = 2_000;
/** Blocks come every half second; one that is this late means that nothing comes. */
const LATE_MS = 1_500;

/** Frames a second over a sliding window. All times are of one monotonic clock, in ms. */
export interface FpsMeter {
  add(frames: number, atMs: number): void;
  /** Null until two seconds are known. */
  fps(nowMs: number): number | null;
}

/** Δframes/Δtime over the last 10 s, not FFmpeg's average over its whole life. */
export function createFpsMeter(): FpsMeter {
  const samples: { frames: number; atMs: number }[] = [];
  return {
    add(frames, atMs) {
      samples.push({ frames, atMs });
      // One sample from before the window stays: the window begins within its step.
      while ((samples[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) samples.shift();
    },
    fps(nowMs) {
      const last = samples.at(-1);
      if (last === undefined) return null;
      const endMs = nowMs - last.atMs > LATE_MS ? nowMs : last.atMs;
      const first = samples.findLast(({ atMs }) => atMs <= endMs - WINDOW_MS) ?? samples[0];
      if (first === undefined || endMs - first.atMs < MIN_SPAN_MS) return null;
      return ((last.frames - first.frames) / (endMs - first.atMs)) * 1000;
    },
  };
}
