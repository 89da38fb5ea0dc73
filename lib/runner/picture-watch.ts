/**
 * Notices pictures that come and show nothing: black ones, and one and the same again and again.
 * Looks at a few points of about one picture a second, so that it costs next to nothing.
 */
import type { Frame, FrameFormat } from "../core/camera-session.ts";
import type { PictureSpec } from "../core/fleet.ts";

/** From when on pictures that come are no good, seconds; 0: never. */
export interface PictureLimits {
  readonly blackSec: number;
  readonly frozenSec: number;
}

/** The usual limits, with what the fleet file says of one camera. */
export function pictureLimits({ blackSec = 10, frozenSec = 60 }: PictureSpec = {}): PictureLimits {
  return { blackSec, frozenSec };
}

/** What it asks for where no analyser wants pictures. */
export const PICTURE_FORMAT: FrameFormat = { width: 64, height: 36, pixels: "gray", maxFps: 1 };

const MAX_POINTS = 4_096;
/** Pictures nearer to each other than this are not compared. */
const LOOK_EVERY_MS = 900;
/** Black as FFmpeg's blackdetect has it: 98 % of the points are below a tenth of full brightness. */
const BLACK_LEVEL = 25;
const BLACK_SHARE = 0.98;
/**
 * A repeated picture changes no points, or those of a clock that is written on it. The noise of a
 * sensor, even after hard compression, changes 6 % of them and more where nothing else moves.
 * Measured with x264 at 300 kbit/s; a frozen picture that is compressed anew with changing quality
 * can't be told from that.
 */
const STILL_SHARE = 0.005;

/** Null: nothing is wrong with the picture. */
export type PictureTrouble = "black" | "frozen" | null;

export interface PictureWatch {
  look(frame: Frame): PictureTrouble;
  /** Forgets what it has seen: the stream is another one. */
  reset(): void;
}

export function createPictureWatch(limits: PictureLimits): PictureWatch {
  let before: Uint8Array | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let blackSinceMs: number | null = null;
  let stillSinceMs: number | null = null;
  let trouble: PictureTrouble = null;
  return {
    look(frame) {
      const { atMs } = frame;
      if (atMs - lookedMs < LOOK_EVERY_MS) return trouble;
      lookedMs = atMs;
      const points = pointsOf(frame);
      blackSinceMs = isBlack(points) ? (blackSinceMs ?? atMs) : null;
      stillSinceMs = before !== undefined && isSame(points, before) ? (stillSinceMs ?? atMs) : null;
      before = points;
      if (lasts(blackSinceMs, limits.blackSec, atMs)) trouble = "black";
      else trouble = lasts(stillSinceMs, limits.frozenSec, atMs) ? "frozen" : null;
      return trouble;
    },
    reset() {
      before = undefined;
      lookedMs = Number.NEGATIVE_INFINITY;
      blackSinceMs = null;
      stillSinceMs = null;
      trouble = null;
    },
  };
}

function lasts(sinceMs: number | null, limitSec: number, nowMs: number): boolean {
  return limitSec > 0 && sinceMs !== null && nowMs - sinceMs >= limitSec * 1000;
}

/** Some of the picture's bytes, spread evenly; a stride that is odd meets all three colours. */
function pointsOf({ data }: Frame): Uint8Array {
  const stride = Math.ceil(data.length / MAX_POINTS) | 1;
  const points = new Uint8Array(Math.ceil(data.length / stride));
  for (let at = 0, point = 0; at < data.length; at += stride) points[point++] = data[at] ?? 0;
  return points;
}

function isBlack(points: Uint8Array): boolean {
  let dark = 0;
  for (const point of points) if (point < BLACK_LEVEL) dark++;
  return dark >= points.length * BLACK_SHARE;
}

function isSame(points: Uint8Array, before: Uint8Array): boolean {
  if (points.length !== before.length) return false;
  let changed = 0;
  for (let at = 0; at < points.length; at++) if (points[at] !== before[at]) changed++;
  return changed <= points.length * STILL_SHARE;
}
