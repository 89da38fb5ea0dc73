/** Pictures on their way to the analyser: a few at most, and the oldest goes first. */
import type { Frame } from "../core/camera-session.ts";
import { messageOf } from "../core/errors.ts";
import type { Analyser } from "./analysers/analyser.ts";

/** A slow analyser should look at what is now, not at what was. */
const MAX_FRAMES = 8;
/** An answer that takes longer is a fault of the analyser. */
const SLOW_MS = 10_000;

/** What analysing came to since it was last asked. */
export interface AnalysisFigures {
  /** The most in any picture. */
  readonly detected: number;
  readonly matched: number;
  /** From a picture's arrival to its answer, mean; null where none was answered. */
  readonly latencyMs: number | null;
  readonly error: string;
}

/** What the analyser answered to one picture. */
export interface FrameFigures {
  readonly detected: number;
  readonly matched: number;
  /** From the picture's arrival to the answer. */
  readonly latencyMs: number;
}

export class FrameQueue {
  private readonly analyser: Analyser;
  private readonly onAnswer: (figures: FrameFigures) => void;
  private readonly frames: Frame[] = [];
  private isBusy = false;
  private busySinceMs = 0;
  private detected = 0;
  private matched = 0;
  private latencySumMs = 0;
  private answers = 0;
  private error = "";
  /** Pictures that were never looked at. */
  dropped = 0;
  analysed = 0;

  constructor(analyser: Analyser, onAnswer: (figures: FrameFigures) => void = () => {}) {
    this.analyser = analyser;
    this.onAnswer = onAnswer;
  }

  get size(): number {
    return this.frames.length;
  }

  /** Takes a picture; the oldest is dropped where there is no room. */
  push(frame: Frame): void {
    this.frames.push(frame);
    if (this.frames.length > MAX_FRAMES) {
      this.frames.shift();
      this.dropped++;
    }
    if (!this.isBusy) void this.work();
  }

  /** Forgets what waits: it is of a stream that has ended. */
  clear(): void {
    this.dropped += this.frames.length;
    this.frames.length = 0;
  }

  /** The figures since the last call. */
  take(): AnalysisFigures {
    const latencyMs = this.answers === 0 ? null : this.latencySumMs / this.answers;
    const { detected, matched } = this;
    const figures = { detected, matched, latencyMs, error: this.error || this.slowness() };
    this.detected = 0;
    this.matched = 0;
    this.latencySumMs = 0;
    this.answers = 0;
    this.error = "";
    return figures;
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    for (let frame = this.frames.shift(); frame !== undefined; frame = this.frames.shift()) {
      this.busySinceMs = performance.now();
      try {
        const { detected, matched } = await this.analyser.analyse(frame);
        this.answered({ detected, matched, latencyMs: performance.now() - frame.atMs });
      } catch (error) {
        this.error = `Analyser ${this.analyser.name} failed: ${messageOf(error)}`;
      }
    }
    this.isBusy = false;
  }

  private answered(figures: FrameFigures): void {
    this.detected = Math.max(this.detected, figures.detected);
    this.matched = Math.max(this.matched, figures.matched);
    this.latencySumMs += figures.latencyMs;
    this.answers++;
    this.analysed++;
    this.onAnswer(figures);
  }

  private slowness(): string {
    const busyMs = this.isBusy ? performance.now() - this.busySinceMs : 0;
    if (busyMs < SLOW_MS) return "";
    const seconds = Math.round(busyMs / 1000);
    return `Analyser ${this.analyser.name} has not answered for ${seconds} s`;
  }
}
