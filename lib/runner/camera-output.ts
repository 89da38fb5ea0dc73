/**
 * Records or restreams a camera beside its watching, over a connection of its own: whatever happens
 * to it, the camera is watched. It is only tried while the camera's pictures come, so that a
 * camera that is down is not asked twice.
 */
import { faultText } from "../core/camera-session.ts";
import type {
  CameraFault,
  CameraSession,
  SessionEnd,
  SessionHooks,
} from "../core/camera-session.ts";
import { messageOf } from "../core/errors.ts";
import { NEW_WATCH, afterFailure, afterStreaming, retryDelayMs, retryText } from "./watchdog.ts";
import type { Watch, WatchdogPolicy } from "./watchdog.ts";

const LOOK_MS = 500;

export interface CameraOutputOptions {
  /** For messages, e.g. `Recording`. */
  readonly name: string;
  readonly open: (hooks: SessionHooks) => CameraSession;
  /** Whether the camera's pictures come. */
  readonly isCameraUp: () => boolean;
  readonly policy: WatchdogPolicy;
}

export interface CameraOutput {
  /** Null: it has not begun yet. */
  isOk(): boolean | null;
  /** "" where nothing is wrong. */
  error(): string;
  stop(): Promise<void>;
}

export function startCameraOutput(options: CameraOutputOptions): CameraOutput {
  return new Output(options);
}

class Output implements CameraOutput {
  private readonly options: CameraOutputOptions;
  private readonly timer: NodeJS.Timeout;
  private watch: Watch = NEW_WATCH;
  private session: CameraSession | undefined;
  private notBeforeMs = 0;
  private message = "";

  constructor(options: CameraOutputOptions) {
    this.options = options;
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  isOk(): boolean | null {
    if (this.watch.fault !== null) return false;
    return this.watch.streamingSince === null ? null : true;
  }

  error(): string {
    return this.message;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.session?.stop();
  }

  private look(): void {
    const isDue = performance.now() >= this.notBeforeMs && !this.watch.hasGivenUp;
    if (this.session !== undefined || !isDue || !this.options.isCameraUp()) return;
    try {
      const session = this.options.open({
        onStreaming: () => this.streaming(),
        onFrame: () => {},
      });
      this.session = session;
      void session.ended.then((end) => this.ended(end));
    } catch (error) {
      const message = messageOf(error);
      this.failed({ name: "start", cause: message, message, advice: "", retry: "yes", tail: [] });
    }
  }

  private streaming(): void {
    this.watch = afterStreaming(this.watch, performance.now());
    this.message = "";
  }

  private ended(end: SessionEnd): void {
    this.session = undefined;
    if (end.reason === "failed") this.failed(end.fault);
  }

  private failed(fault: CameraFault): void {
    const { policy, name } = this.options;
    this.watch = afterFailure(this.watch, performance.now(), fault, policy);
    const delayMs = retryDelayMs(this.watch, policy, Math.random());
    this.notBeforeMs = performance.now() + (delayMs ?? 0);
    this.message = `${name}: ${faultText(fault)}. ${retryText(this.watch, policy, delayMs)}`;
  }
}
