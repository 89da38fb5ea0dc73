/** Keeps one camera's stream running and knows what to say of it. */
import { faultText } from "../core/camera-session.ts";
import type { CameraSession, OpenSession, SessionEnd } from "../core/camera-session.ts";
import type { CameraFault } from "../core/camera-session.ts";
import { messageOf } from "../core/errors.ts";
import type { CameraState, Health } from "../core/heartbeat.ts";
import type { Analyser } from "./analysers/analyser.ts";
import { FrameQueue } from "./frame-queue.ts";
import type { HeartbeatPart } from "./heartbeat-body.ts";
import type { UsageMeter } from "./process-usage.ts";
import { usageFields } from "./usage-fields.ts";
import { NEW_WATCH, afterFailure, afterStreaming, cameraState, retryDelayMs } from "./watchdog.ts";
import type { Watch, WatchdogPolicy } from "./watchdog.ts";

/** A change of the camera's state, and why. */
export interface CameraTransition {
  readonly from: CameraState;
  readonly to: CameraState;
  readonly reason: string;
}

export interface CameraRunnerOptions {
  readonly open: OpenSession;
  readonly analyser: Analyser;
  readonly policy: WatchdogPolicy;
  /** Of this process and what it has started. */
  readonly measure: UsageMeter;
  /** Goes out with every heavy heartbeat. */
  readonly labels: Readonly<Record<string, string>>;
  readonly onTransition: (transition: CameraTransition) => void;
  readonly random?: () => number;
}

export interface CameraRunner {
  /** What the next heartbeat says. */
  collect(): HeartbeatPart;
  /** Tries again at once, as if the camera had never failed. */
  reconnect(): void;
  /** Ends the stream; answers once FFmpeg is gone. */
  stop(): Promise<void>;
}

/** Starts at once and goes on until it is stopped. */
export function startCameraRunner(options: CameraRunnerOptions): CameraRunner {
  const runner = new Runner(options);
  runner.connect();
  return runner;
}

const HEALTH_OF: Readonly<Record<CameraState, Health>> = {
  healthy: "healthy",
  degraded: "degraded",
  reconnecting: "degraded",
  offline: "unhealthy",
};

class Runner implements CameraRunner {
  private readonly options: CameraRunnerOptions;
  private readonly queue: FrameQueue;
  private watch: Watch = NEW_WATCH;
  private state: CameraState = "reconnecting";
  private session: CameraSession | undefined;
  private sessions = 0;
  private framesBefore = 0;
  private isStopped = false;
  private retryTimer: NodeJS.Timeout | undefined;
  private goodTimer: NodeJS.Timeout | undefined;

  constructor(options: CameraRunnerOptions) {
    this.options = options;
    this.queue = new FrameQueue(options.analyser);
  }

  connect(): void {
    this.sessions++;
    try {
      const session = this.options.open(this.options.analyser.wants, {
        onStreaming: () => this.streaming(),
        onFrame: (frame) => this.queue.push(frame),
      });
      this.session = session;
      void session.ended.then((end) => this.ended(session, end));
    } catch (error) {
      this.failed(startFault(error));
    }
  }

  collect(): HeartbeatPart {
    const figures = this.queue.take();
    const fault = this.watch.fault;
    const isStreaming = this.watch.streamingSince !== null;
    const fps = isStreaming ? this.session?.fps() : 0;
    return {
      health: HEALTH_OF[this.state],
      camera_state: this.state,
      detected: figures.detected,
      matched: figures.matched,
      last_error: fault === null ? figures.error : faultText(fault),
      ...(fps === null || fps === undefined ? {} : { fps: round(fps) }),
      ...(figures.latencyMs === null ? {} : { latency_ms: round(figures.latencyMs) }),
      metrics: this.metrics(),
      labels: this.options.labels,
      resources: { ...usageFields(this.options.measure()), queues: { frames: this.queue.size } },
      ...(fault === null ? {} : { detail: faultDetail(fault) }),
    };
  }

  reconnect(): void {
    if (this.isStopped) return;
    this.watch = NEW_WATCH;
    clearTimeout(this.retryTimer);
    if (this.session === undefined) this.connect();
    else void this.session.stop();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.goodTimer);
    await this.session?.stop();
    this.queue.clear();
  }

  private streaming(): void {
    if (this.isStopped) return;
    this.watch = afterStreaming(this.watch, performance.now());
    this.changeState("pictures come");
    // The time itself brings a change: a stream that stays good makes up for its failures.
    clearTimeout(this.goodTimer);
    const becomesGood = () => {
      if (this.currentState() !== this.state) this.changeState("the stream stays good");
    };
    this.goodTimer = setTimeout(becomesGood, this.options.policy.goodSec * 1000).unref();
  }

  private ended(session: CameraSession, end: SessionEnd): void {
    this.framesBefore += session.frames;
    this.session = undefined;
    this.queue.clear();
    clearTimeout(this.goodTimer);
    if (this.isStopped) return;
    if (end.reason === "failed") this.failed(end.fault);
    else this.connect();
  }

  private failed(fault: CameraFault): void {
    const { policy, random = Math.random } = this.options;
    this.watch = afterFailure(this.watch, performance.now(), fault, policy);
    this.changeState(faultText(fault));
    const delayMs = retryDelayMs(this.watch, policy, random());
    if (delayMs === null) return;
    this.retryTimer = setTimeout(() => this.connect(), delayMs);
  }

  /** Told also where the state stays and the fault is new: the next heartbeat should say so. */
  private changeState(reason: string): void {
    const from = this.state;
    this.state = this.currentState();
    this.options.onTransition({ from, to: this.state, reason });
  }

  private currentState(): CameraState {
    return cameraState(this.watch, performance.now(), this.options.policy);
  }

  private metrics(): Record<string, number> {
    const counts = [...(this.session?.counts ?? [])].slice(0, 20);
    return {
      frames: this.framesBefore + (this.session?.frames ?? 0),
      frames_analysed: this.queue.analysed,
      frames_dropped: this.queue.dropped,
      failures: this.watch.failures,
      sessions: this.sessions,
      ...Object.fromEntries(counts),
    };
  }
}

function startFault(error: unknown): CameraFault {
  const message = messageOf(error);
  return { name: "start", cause: message, message, advice: "", retry: "yes", tail: [] };
}

/** The last lines that FFmpeg printed, for who wants to know more. */
function faultDetail(fault: CameraFault): Record<string, unknown> {
  return { fault: fault.name, cause: fault.cause, retry: fault.retry, tail: fault.tail.slice(-5) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
