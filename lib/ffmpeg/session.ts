/** One FFmpeg on one input, from its start to its explained end. */
import type {
  Backend,
  CameraFault,
  CameraSession,
  Frame,
  FrameFormat,
  SessionEnd,
  SessionHooks,
} from "../core/camera-session.ts";
import type { CameraOutputSpec } from "../core/fleet.ts";
import type { ChildGroup, SpawnGroup } from "../core/child-group.ts";
import { createLineTail } from "../core/line-tail.ts";
import type { LineTail } from "../core/line-tail.ts";
import { FRAMES_FD, INPUT_LIST_FD, PROGRESS_FD, ffmpegArguments } from "./arguments.ts";
import type { CameraInput } from "./arguments.ts";
import { FAULT_TABLE, explainEnd, stallFault } from "./errors.ts";
import { createFrameCutter } from "./frames.ts";
import { createFpsMeter, createProgressParser } from "./progress.ts";
import type { ProgressBlock } from "./progress.ts";
import { createTroubleMeter } from "./trouble-meter.ts";
import { secretsOf } from "./url-secrets.ts";
import type { FfmpegProgram } from "./version.ts";

/** Beyond its stall limit an input may take this long to its first picture. */
const OPEN_EXTRA_SEC = 10;
const WATCH_MS = 500;
const BURST_MS = 1_000;
const STDERR_FD = 2;

export interface SessionOptions {
  readonly ffmpeg: FfmpegProgram;
  readonly input: CameraInput;
  /** `cpu` unless given. */
  readonly backend?: Backend;
  /** Null: none are needed, only counted. */
  readonly frames: FrameFormat | null;
  /** The stream is handed on there and not decoded; else it is. */
  readonly output?: CameraOutputSpec;
  readonly spawn: SpawnGroup;
  /** Our own environment, for FFmpeg. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws AppError `invalid` where FFmpeg can't be started. */
export function openFfmpegSession(options: SessionOptions, hooks: SessionHooks): CameraSession {
  return new FfmpegSession(options, hooks);
}

class FfmpegSession implements CameraSession {
  readonly ended: Promise<SessionEnd>;
  readonly backend: Backend;
  readonly argv: readonly string[];
  readonly counts = new Map<string, number>();
  frames = 0;
  private readonly options: SessionOptions;
  private readonly hooks: SessionHooks;
  private readonly group: ChildGroup;
  private readonly meter = createFpsMeter();
  private readonly tail: LineTail;
  private readonly troubles = createTroubleMeter();
  private trouble: string | null = null;
  private readonly startedMs = performance.now();
  private outTimeUs = 0;
  private movedMs: number | undefined;
  private firstMovedMs = 0;
  private isStopping = false;
  private stall: CameraFault | undefined;

  constructor(options: SessionOptions, hooks: SessionHooks) {
    this.options = options;
    this.hooks = hooks;
    const { ffmpeg, input, frames, spawn, env, backend = "cpu", output } = options;
    this.backend = backend;
    this.tail = createLineTail({
      secrets: secretsOf(input.url),
      onLine: (line) => this.count(line),
    });
    const version = ffmpeg.libavformatMajor;
    const { args, inputList } = ffmpegArguments(input, version, {
      frames,
      backend,
      ...(output === undefined ? {} : { output }),
    });
    this.argv = [ffmpeg.path, ...args];
    this.group = spawn({
      file: ffmpeg.path,
      args,
      env: { ...env, ...ffmpeg.env },
      stdio: [
        "ignore",
        "ignore",
        "pipe",
        "pipe",
        frames === null ? "ignore" : "pipe",
        inputList === null ? "ignore" : "pipe",
      ],
    });
    this.listen(frames);
    if (inputList !== null) this.writeList(inputList);
    this.ended = this.watch();
  }

  get pid(): number {
    return this.group.pid;
  }

  get startedAt(): number {
    return this.group.startedAt;
  }

  fps(): number | null {
    return this.meter.fps(performance.now());
  }

  async stop(): Promise<SessionEnd> {
    this.isStopping = true;
    void this.group.stop();
    return await this.ended;
  }

  private listen(frames: FrameFormat | null): void {
    const parse = createProgressParser((block) => this.progressed(block));
    const read = (descriptor: number, onText: (text: string) => void) =>
      this.group
        .output(descriptor)
        .setEncoding("utf8")
        .on("data", onText)
        .on("error", () => {});
    read(STDERR_FD, (text) => this.tail.feed(text));
    read(PROGRESS_FD, parse);
    if (frames === null) return;
    const cut = createFrameCutter(frames, (data) => this.deliver(frames, data));
    this.group
      .output(FRAMES_FD)
      .on("data", cut)
      .on("error", () => {});
  }

  private deliver(format: FrameFormat, data: Uint8Array): void {
    const { width, height } = format;
    const frame: Frame = { data, width, height, atMs: performance.now() };
    if (this.isStopping) return;
    this.moved(frame.atMs);
    this.hooks.onFrame(frame);
  }

  private progressed({ frames, outTimeUs }: ProgressBlock): void {
    const now = performance.now();
    const hasMoved = (frames ?? 0) > this.frames || (outTimeUs ?? 0) > this.outTimeUs;
    this.frames = frames ?? this.frames;
    this.outTimeUs = outTimeUs ?? this.outTimeUs;
    if (frames !== null && this.isPastBurst(now)) this.meter.add(frames, now);
    if (hasMoved && !this.isStopping) this.moved(now);
  }

  /** A picture, or a counter that goes on: the stream does not stand. */
  private moved(now: number): void {
    const isFirst = this.movedMs === undefined;
    this.movedMs = now;
    if (!isFirst) return;
    this.firstMovedMs = now;
    this.hooks.onStreaming();
  }

  /** What FFmpeg has read to learn about its input comes out at once, and is no frame rate. */
  private isPastBurst(now: number): boolean {
    return this.movedMs !== undefined && now - this.firstMovedMs >= BURST_MS;
  }

  private writeList(text: string): void {
    // It may have ended before it read the list; its exit then tells why.
    this.group
      .input(INPUT_LIST_FD)
      .on("error", () => {})
      .end(text);
  }

  /** Ends the session when the picture stands, whether FFmpeg falls silent or repeats itself. */
  private async watch(): Promise<SessionEnd> {
    const timer = setInterval(() => this.check(), WATCH_MS);
    const exit = await this.group.ended;
    clearInterval(timer);
    // Ends what is left of the group, and frees the guard that watches it.
    await this.group.stop();
    await this.group.drained(STDERR_FD);
    this.tail.flush();
    const tail = this.tail.lines();
    if (this.stall !== undefined) return { reason: "failed", fault: this.stall, exit, tail };
    if (this.isStopping) return { reason: "stopped", exit, tail };
    return { reason: "failed", fault: explainEnd(exit, tail), exit, tail };
  }

  private check(): void {
    if (this.isStopping || this.stall !== undefined) return;
    const trouble = this.troubles.current(performance.now());
    if (trouble !== this.trouble) this.hooks.onTrouble?.(trouble);
    this.trouble = trouble;
    this.checkStall();
  }

  private checkStall(): void {
    const { stallSec } = this.options.input;
    const isOpen = this.movedMs !== undefined;
    const limitSec = isOpen ? stallSec : stallSec + OPEN_EXTRA_SEC;
    if (performance.now() - (this.movedMs ?? this.startedMs) < limitSec * 1000) return;
    this.stall = stallFault(limitSec, isOpen, this.tail.lines());
    void this.group.stop();
  }

  private count(line: string): void {
    for (const row of FAULT_TABLE) {
      const { name, patterns, weight } = row;
      if (weight === "failure" || !patterns.every((pattern) => pattern.test(line))) continue;
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      if (weight === "warning") this.troubles.add(row, performance.now());
    }
  }
}
