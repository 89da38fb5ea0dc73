/** The changes of one camera's state: only those that make sense, with reasons, the last ones kept. */
import { AppError } from "../core/errors.ts";
import type { CameraState } from "../core/heartbeat.ts";

/** A change of the camera's state, and why. `from` is `to` where it fails in another way than before. */
export interface CameraTransition {
  readonly from: CameraState;
  readonly to: CameraState;
  readonly reason: string;
  /** Epoch ms on this host's clock. */
  readonly at: number;
}

/** The oldest is forgotten beyond this. */
const MAX_HISTORY = 100;

/** A camera that was given up comes back only by being tried again. */
const ALLOWED: Readonly<Record<CameraState, readonly CameraState[]>> = {
  reconnecting: ["healthy", "degraded", "offline"],
  healthy: ["degraded", "reconnecting", "offline"],
  degraded: ["healthy", "reconnecting", "offline"],
  offline: ["reconnecting"],
};

export interface TransitionLog {
  readonly state: CameraState;
  /**
   * Undefined where the state stays.
   * @throws AppError `internal` for a change that can't be: the program is wrong then.
   */
  move(to: CameraState, reason: string, at: number): CameraTransition | undefined;
  /** The last hundred, oldest first. */
  history(): CameraTransition[];
}

/** Begins as reconnecting. */
export function createTransitionLog(): TransitionLog {
  const kept: CameraTransition[] = [];
  let state: CameraState = "reconnecting";
  return {
    get state() {
      return state;
    },
    move(to, reason, at) {
      const from = state;
      if (from === to) return undefined;
      if (!ALLOWED[from].includes(to)) {
        throw new AppError("internal", `a camera can't become ${to} from ${from} (${reason})`);
      }
      const transition = { from, to, reason, at };
      state = to;
      kept.push(transition);
      if (kept.length > MAX_HISTORY) kept.shift();
      return transition;
    },
    history: () => [...kept],
  };
}
