/**
 * What the enforcer and the runners that it starts tell each other: the order comes on standard
 * input, reports go to a file, so that nothing ties the life of one to the other's.
 */
import type { EventType } from "./event.ts";
import type { CameraSpec, CommandSpec } from "./fleet.ts";
import type { CameraState } from "./heartbeat.ts";
import { redactDeep } from "./redact.ts";
import type { RunnerId } from "./runner-id.ts";

/** Where a supervised run leaves what it has to tell; both files stand beside each other. */
export interface RunFiles {
  /** Its reports, one JSON object a line. */
  readonly reports: string;
  /** Its output, line by line. */
  readonly log: string;
}

/** What a supervised runner reads first: so no password stands in an argument list. */
export interface RunOrder {
  readonly order: "run";
  readonly runner: RunnerId;
  readonly intervalSec: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly camera?: CameraSpec;
  /** With its whole environment. */
  readonly command?: CommandSpec;
  /** The command publishes its own heartbeats: none are sent for it. */
  readonly beatsItself?: boolean;
  /** Of a supervised run. */
  readonly files?: RunFiles;
  /** Texts that are masked in whatever the run writes. */
  readonly secrets?: readonly string[];
}

/** What there is to report of a supervised run; the enforcer makes events of it. */
export type Report =
  | {
      readonly event: "spawned";
      readonly pid: number;
      readonly started_at: number;
      /** Kernel start time in ticks after boot, as the process's identity has it. */
      readonly start_ticks?: number;
      /** Of the run, as the driver knows them; secrets are masked. */
      readonly argv?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
      readonly attempt?: number;
    }
  /** By the driver: another enforcer's run was found alive and is followed from now on. */
  | { readonly event: "adopted" }
  /** By the driver: it was asked to end. */
  | { readonly event: "stopping"; readonly reason: string }
  /** By the driver: it is gone, and nobody saw how it ended. */
  | { readonly event: "lost"; readonly reason: string; readonly ran_sec: number }
  | {
      readonly event: "exited";
      readonly exit_code: number | null;
      readonly signal: string | null;
      readonly ran_sec: number;
      readonly stderr: readonly string[];
      readonly stdout?: readonly string[];
      /** Only a changed setting can help. */
      readonly permanent?: boolean;
    }
  /** It could not be started at all. */
  | { readonly event: "failed"; readonly message: string; readonly permanent?: boolean }
  | {
      readonly event: "camera";
      readonly from: CameraState;
      readonly to: CameraState;
      readonly reason: string;
    }
  | { readonly event: "throttle"; readonly on: boolean; readonly reason: string }
  | {
      readonly event: "check";
      readonly check: string;
      readonly ok: boolean;
      readonly message: string;
      readonly value: unknown;
    };

/** The event that a change of a camera's state is; undefined where it is none. */
export function cameraEvent(
  from: CameraState,
  to: CameraState,
): Extract<EventType, `camera_${string}`> | undefined {
  // It fails in another way than before.
  if (from === to)
    return to === "reconnecting" || to === "degraded" ? "camera_degraded" : undefined;
  if (to === "healthy") return "camera_online";
  if (to === "offline") return "camera_offline";
  // Its first failure shows too: a short one would leave no trace but a camera_online.
  return to === "degraded" || from === "healthy" ? "camera_degraded" : undefined;
}

/** The event that a change of a camera's throttling is. */
export function throttleEvent(on: boolean): "throttle_started" | "throttle_stopped" {
  return on ? "throttle_started" : "throttle_stopped";
}

/** A report as a run wrote it down. */
export interface WrittenReport {
  /** From 1 on, without a gap: what was handed over is known by it. */
  readonly seq: number;
  /** Epoch ms. */
  readonly at: number;
  readonly report: Report;
}

/** One line of the report file, redacted. */
export function formatReport({ seq, at, report }: WrittenReport): string {
  return `${JSON.stringify({ seq, at, ...(redactDeep(report) as Report) })}\n`;
}

/** Undefined for half a line, as a full disk or a kill leaves one, and for what is no report. */
export function parseReport(line: string): WrittenReport | undefined {
  try {
    const { seq, at, ...report } = JSON.parse(line) as Record<string, unknown>;
    if (typeof seq !== "number" || typeof at !== "number") return undefined;
    if (typeof report["event"] !== "string") return undefined;
    return { seq, at, report: report as unknown as Report };
  } catch {
    return undefined;
  }
}
