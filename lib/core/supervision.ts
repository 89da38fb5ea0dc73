/** What the enforcer and the runners that it starts tell each other, over the channel between them. */
import type { EventType } from "./event.ts";
import type { CameraSpec, CommandSpec } from "./fleet.ts";
import type { CameraState } from "./heartbeat.ts";
import type { RunnerId } from "./runner-id.ts";

/** The first message to a supervised runner: so no password stands in an argument list. */
export interface RunOrder {
  readonly order: "run";
  readonly runner: RunnerId;
  readonly intervalSec: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly camera?: CameraSpec;
  /** With its whole environment. */
  readonly command?: CommandSpec;
}

/** What a supervised runner reports; the enforcer makes events of it. */
export type Report =
  | { readonly event: "spawned"; readonly pid: number; readonly started_at: number }
  | {
      readonly event: "exited";
      readonly exit_code: number | null;
      readonly signal: string | null;
      readonly ran_sec: number;
      readonly stderr: readonly string[];
    }
  | { readonly event: "failed"; readonly message: string }
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
  if (from === to) return undefined;
  if (to === "healthy") return "camera_online";
  if (to === "degraded") return "camera_degraded";
  return to === "offline" ? "camera_offline" : undefined;
}
