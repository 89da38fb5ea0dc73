/** What a camera's decoder looks like to the runner that drives it: lib/ffmpeg is the one there is. */
import type { ChildEnd } from "./child-group.ts";

/** Whether trying again can help. */
export type Retry =
  /** Soon, with the usual back-off. */
  | "yes"
  /** Rarely: each try may bring a lock-out nearer, and only a person can mend it. */
  | "slowly"
  /** Not before a setting was changed. */
  | "no"
  /** With another setting, which the message names. */
  | "after_change"
  /** Without the GPU. */
  | "on_cpu"
  /** Once this host was put right. */
  | "after_host"
  /** It was asked for. */
  | "none";

/** Why a session ended, for people. */
export interface CameraFault {
  /** Stable name, e.g. `unauthorized`, for labels and tests. */
  readonly name: string;
  readonly cause: string;
  readonly message: string;
  readonly advice: string;
  readonly retry: Retry;
  /** The decoder's last lines, redacted. */
  readonly tail: readonly string[];
}

/** With how the decoder's process ended and the last that it printed, redacted. */
export type SessionEnd = { readonly exit: ChildEnd; readonly tail: readonly string[] } & (
  { readonly reason: "stopped" } | { readonly reason: "failed"; readonly fault: CameraFault }
);

/** What decodes. */
export type Backend = "cpu" | "cuda" | "vaapi";

/** Pictures as an analyser wants them. */
export interface FrameFormat {
  readonly width: number;
  readonly height: number;
  readonly pixels: "gray" | "rgb24";
  /** More frames a second are dropped before they are made. */
  readonly maxFps: number;
}

/** One decoded picture. */
export interface Frame {
  /** `width * height` bytes for gray, three times that for rgb24; the receiver's to keep. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** When it arrived here, ms on a monotonic clock. */
  readonly atMs: number;
}

export interface CameraSession {
  readonly pid: number;
  /** Of its process, epoch ms; 0 where unknown. */
  readonly startedAt: number;
  /** Its program and arguments; may hold a password. */
  readonly argv: readonly string[];
  readonly backend: Backend;
  /** Frames decoded so far. */
  readonly frames: number;
  /** Frames a second over the last 10 s; null before two seconds are known. */
  fps(): number | null;
  /** How often each harmless fault was printed, by name. */
  readonly counts: ReadonlyMap<string, number>;
  readonly ended: Promise<SessionEnd>;
  stop(): Promise<SessionEnd>;
}

export interface SessionHooks {
  /** The first picture is there. */
  readonly onStreaming: () => void;
  /** For each picture, where some are wanted. */
  readonly onFrame: (frame: Frame) => void;
  /** The stream goes on, but suffers, and what to do; null: no longer. */
  readonly onTrouble?: (trouble: string | null) => void;
}

/**
 * Starts one session.
 * @param isOnCpu whatever was asked for, since the hardware has failed.
 * @throws AppError where the decoder can't be started at all.
 */
export type OpenSession = (
  wanted: FrameFormat | null,
  hooks: SessionHooks,
  isOnCpu: boolean,
) => CameraSession;

/** One line for `last_error`: what happened and what to do. */
export function faultText(fault: CameraFault): string {
  return fault.advice === "" ? fault.message : `${fault.message}. ${fault.advice}`;
}
