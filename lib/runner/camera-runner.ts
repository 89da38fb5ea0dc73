/** Keeps one camera's stream running and knows what to say of it. */
import { faultText } from "../core/camera-session.ts";
import type {
  CameraFault,
  CameraSession,
  Frame,
  OpenSession,
  SessionEnd,
} from "../core/camera-session.ts";
import { messageOf } from "../core/errors.ts";
import type { ResourceLimits } from "../core/throttle.ts";
import type { CameraState } from "../core/heartbeat.ts";
import type { Analyser } from "./analysers/analyser.ts";
import { cameraPart } from "./camera-part.ts";
import { createTransitionLog } from "./camera-transitions.ts";
import type { CameraTransition } from "./camera-transitions.ts";
import { FrameQueue } from "./frame-queue.ts";
import type { FrameFigures } from "./frame-queue.ts";
import type { HeartbeatPart } from "./heartbeat-body.ts";
import { PICTURE_FORMAT, createPictureWatch } from "./picture-watch.ts";
import type { PictureLimits, PictureTrouble, PictureWatch } from "./picture-watch.ts";
import type { UsageMeter } from "./process-usage.ts";
import type { CameraGuard, ResourceGuard } from "./resource-guard.ts";
import {
  NEW_WATCH,
  afterFailure,
  afterPicture,
  afterStreaming,
  afterTrouble,
  cameraState,
  retryDelayMs,
  retryText,
} from "./watchdog.ts";
import type { Watch, WatchdogPolicy } from "./watchdog.ts";

export interface CameraRunnerOptions {
  readonly open: OpenSession;
  readonly analyser: Analyser;
  readonly policy: WatchdogPolicy;
  readonly picture: PictureLimits;
  /** Of this process and what it has started. */
  readonly measure: UsageMeter;
  /** Goes out with every heavy heartbeat. */
  readonly labels: Readonly<Record<string, string>>;
  /** The camera's state has changed. */
  readonly onTransition?: (transition: CameraTransition) => void;
  /** A session has failed; also where the state stays. One line, redacted. */
  readonly onError?: (message: string) => void;
  /** A picture was analysed. */
  readonly onFrame?: (figures: FrameFigures) => void;
  readonly onSession?: (session: CameraSession) => void;
  readonly onSessionEnd?: (session: CameraSession, end: SessionEnd) => void;
  /** Decides which pictures are analysed; all of them without one. */
  readonly guard?: ResourceGuard;
  /** Of this camera, where it has its own. */
  readonly limits?: Partial<ResourceLimits> | undefined;
  /** Analysing is throttled from now on, or no longer. */
  readonly onThrottle?: (change: ThrottleChange) => void;
  readonly random?: () => number;
}

export interface ThrottleChange {
  readonly on: boolean;
  /** What is, or was, too much. */
  readonly reason: string;
}

export interface CameraRunner {
  readonly state: CameraState;
  /** Pictures come, good or bad. */
  readonly isStreaming: boolean;
  /** What the next heartbeat says. */
  collect(): HeartbeatPart;
  /** The last hundred changes of the state, oldest first. */
  history(): CameraTransition[];
  /** Tries again at once, as if the camera had never failed. */
  reconnect(): void;
  /** Ends the stream; answers once FFmpeg and the analyser are gone. */
  stop(): Promise<void>;
}

/** Starts at once and goes on until it is stopped. */
export function startCameraRunner(options: CameraRunnerOptions): CameraRunner {
  const runner = new Runner(options);
  runner.connect();
  return runner;
}

const PICTURE_TEXT: Readonly<Record<NonNullable<PictureTrouble>, string>> = {
  black: "The picture is black. Check the lens, the light and the camera's night mode",
  frozen: "The picture does not change any more. Restart the camera or its recorder",
};

class Runner implements CameraRunner {
  private readonly options: CameraRunnerOptions;
  private readonly queue: FrameQueue;
  private readonly log = createTransitionLog();
  /** Faults that were told of since the camera was last healthy. */
  private readonly toldFaults = new Set<string>();
  private readonly picture: PictureWatch;
  private readonly guard: CameraGuard | undefined;
  private watch: Watch = NEW_WATCH;
  private error = "";
  private session: CameraSession | undefined;
  private sessions = 0;
  private framesBefore = 0;
  private throttled = 0;
  private isOnCpu = false;
  private isStopped = false;
  private retryMs: number | null = null;
  private retryTimer: NodeJS.Timeout | undefined;
  private goodTimer: NodeJS.Timeout | undefined;

  constructor(options: CameraRunnerOptions) {
    this.options = options;
    this.queue = new FrameQueue(options.analyser, options.onFrame);
    this.picture = createPictureWatch(options.picture);
    this.guard = options.guard?.watch({
      frames: () => this.framesBefore + (this.session?.frames ?? 0),
      queues: () => ({ frames: this.queue.size }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      onChange: (now, before) =>
        options.onThrottle?.({ on: now !== undefined, reason: now ?? before ?? "" }),
    });
  }

  connect(): void {
    const { open, analyser, picture, onSession } = this.options;
    this.sessions++;
    this.picture.reset();
    const isWatched = picture.blackSec > 0 || picture.frozenSec > 0;
    const hooks = {
      onStreaming: () => this.streaming(),
      onFrame: (frame: Frame) => this.take(frame),
      onTrouble: (trouble: string | null) => this.suffers(trouble),
    };
    try {
      const wanted = analyser.wants ?? (isWatched ? PICTURE_FORMAT : null);
      const session = open(wanted, hooks, this.isOnCpu);
      this.session = session;
      void session.ended.then((end) => this.ended(session, end));
      onSession?.(session);
    } catch (error) {
      this.failed(startFault(error));
    }
  }

  get state(): CameraState {
    return this.log.state;
  }

  get isStreaming(): boolean {
    return this.watch.streamingSince !== null;
  }

  collect(): HeartbeatPart {
    const { measure, labels } = this.options;
    const { watch, session, queue, sessions, framesBefore, retryMs } = this;
    const trouble = watch.picture === null ? watch.trouble : PICTURE_TEXT[watch.picture];
    return cameraPart({
      state: this.log.state,
      watch,
      session,
      figures: queue.take(),
      error: this.error || (trouble ?? ""),
      usage: measure(),
      labels: { backend: session?.backend ?? "cpu", ...labels },
      counts: {
        sessions,
        framesBefore,
        analysed: queue.analysed,
        dropped: queue.dropped,
        throttled: this.throttled,
      },
      guard: this.guard?.resources(),
      waiting: queue.size,
      retryMs,
      history: this.log.history().slice(-5),
    });
  }

  history(): CameraTransition[] {
    return this.log.history();
  }

  reconnect(): void {
    if (this.isStopped) return;
    this.watch = NEW_WATCH;
    this.error = "";
    this.retryMs = null;
    this.isOnCpu = false;
    clearTimeout(this.retryTimer);
    clearTimeout(this.goodTimer);
    this.changeState("it was asked to reconnect");
    if (this.session === undefined) this.connect();
    else void this.session.stop();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.goodTimer);
    this.guard?.close();
    await this.session?.stop();
    this.queue.clear();
    await this.options.analyser.stop?.();
  }

  private take(frame: Frame): void {
    const { analyser } = this.options;
    this.judge(this.picture.look(frame));
    if (analyser.wants === null) return;
    if (this.guard?.admit(frame.atMs) ?? true) this.queue.push(frame);
    else this.throttled++;
  }

  private judge(picture: PictureTrouble): void {
    if (picture === this.watch.picture || this.watch.streamingSince === null) return;
    this.watch = afterPicture(this.watch, picture);
    this.changeState(picture === null ? "the picture is good again" : PICTURE_TEXT[picture]);
  }

  private suffers(trouble: string | null): void {
    if (this.isStopped) return;
    this.watch = afterTrouble(this.watch, trouble);
    this.changeState(trouble ?? "the stream suffers no longer");
  }

  private streaming(): void {
    if (this.isStopped) return;
    this.watch = afterStreaming(this.watch, performance.now());
    this.error = "";
    this.retryMs = null;
    this.changeState("pictures come");
    // The time itself brings a change: a stream that stays good makes up for its failures.
    clearTimeout(this.goodTimer);
    const becomesGood = () => this.changeState("the stream stays good");
    this.goodTimer = setTimeout(becomesGood, this.options.policy.goodSec * 1000).unref();
  }

  private ended(session: CameraSession, end: SessionEnd): void {
    this.framesBefore += session.frames;
    this.session = undefined;
    this.queue.clear();
    clearTimeout(this.goodTimer);
    this.options.onSessionEnd?.(session, end);
    if (this.isStopped) return;
    if (end.reason === "failed") this.failed(end.fault);
    else this.connect();
  }

  private failed(fault: CameraFault): void {
    const { policy, random = Math.random, onError } = this.options;
    this.isOnCpu ||= fault.retry === "on_cpu";
    this.watch = afterFailure(this.watch, performance.now(), fault, policy);
    this.retryMs = retryDelayMs(this.watch, policy, random());
    this.error = `${faultText(fault)}. ${retryText(this.watch, policy, this.retryMs)}`;
    const isNew = !this.toldFaults.has(fault.name);
    this.toldFaults.add(fault.name);
    if (!this.changeState(this.error) && isNew) this.tellFault(this.error);
    onError?.(this.error);
    if (this.retryMs === null) return;
    this.retryTimer = setTimeout(() => this.connect(), this.retryMs);
  }

  /** Whether it is another one now. */
  private changeState(reason: string): boolean {
    const state = cameraState(this.watch, performance.now(), this.options.policy);
    if (state === "healthy") this.toldFaults.clear();
    const transition = this.log.move(state, reason, Date.now());
    if (transition !== undefined) this.options.onTransition?.(transition);
    return transition !== undefined;
  }

  /** Each fault once between two good times: a camera that never worked has a time line too. */
  private tellFault(reason: string): void {
    const { state } = this.log;
    this.options.onTransition?.({ from: state, to: state, reason, at: Date.now() });
  }
}

function startFault(error: unknown): CameraFault {
  const message = messageOf(error);
  return { name: "start", cause: message, message, advice: "", retry: "yes", tail: [] };
}
