/**
 * An analyser that is a program of its own, in any language. It reads raw pictures on stdin, one
 * after the other without anything between, and writes one line of JSON for each:
 * {"detected": 2, "matched": 1}. It finds RUNBEAT_FRAME_WIDTH, _HEIGHT, _PIXELS and _FPS in its
 * environment. A program that ends is started again, after longer and longer pauses.
 */
import { basename } from "node:path";
import type { ChildEnd, ChildGroup, SpawnGroup } from "../../core/child-group.ts";
import type { Frame, FrameFormat } from "../../core/camera-session.ts";
import { messageOf } from "../../core/errors.ts";
import type { AnalyserProgram } from "../../core/fleet.ts";
import { createLineTail } from "../../core/line-tail.ts";
import type { Analyser, Analysis } from "./analyser.ts";
import { parseAnswer } from "./answer.ts";

const ANSWER_MS = 10_000;
const BACKOFF_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000] as const;
/** A program that ran for so long has made up for the ends before. */
const GOOD_MS = 30_000;
const MAX_LINE_CHARS = 65_536;
const STDERR_LINES = 5;

export interface ProgramContext {
  readonly spawn: SpawnGroup;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** 10 s unless given. */
  readonly answerMs?: number;
  /** Before the first, second, … new start; the last repeats. */
  readonly backoffMs?: readonly number[];
}

interface Pending {
  readonly resolve: (analysis: Analysis) => void;
  readonly reject: (error: Error) => void;
}

export function createProgramAnalyser(spec: AnalyserProgram, context: ProgramContext): Analyser {
  return new ProgramAnalyser(spec, context);
}

class ProgramAnalyser implements Analyser {
  readonly name: string;
  readonly wants: FrameFormat;
  private readonly spec: AnalyserProgram;
  private readonly context: ProgramContext;
  private group: ChildGroup | undefined;
  private pending: Pending | undefined;
  private trouble = "";
  private talk = "";
  private ends = 0;
  private startedMs = 0;
  private notBeforeMs = 0;
  private isStopped = false;
  private ending: Promise<void> = Promise.resolve();

  constructor(spec: AnalyserProgram, context: ProgramContext) {
    const { width, height, pixels, fps } = spec;
    this.spec = spec;
    this.context = context;
    this.name = basename(spec.command.at(-1) ?? "");
    this.wants = { width, height, pixels, maxFps: fps };
  }

  async analyse(frame: Frame): Promise<Analysis> {
    const { answerMs = ANSWER_MS } = this.context;
    const group = this.running();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.pending = { resolve, reject };
        timer = setTimeout(() => this.tooLate(group), answerMs);
        group.input(0).write(frame.data);
      });
    } finally {
      clearTimeout(timer);
      this.pending = undefined;
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.group?.stop();
    await this.ending;
  }

  /** @throws Error where it is down and its pause is not over. */
  private running(): ChildGroup {
    if (this.group !== undefined) return this.group;
    if (this.isStopped || performance.now() < this.notBeforeMs) throw new Error(this.trouble);
    try {
      return this.start();
    } catch (error) {
      this.pauseAfter(messageOf(error));
      throw error;
    }
  }

  private start(): ChildGroup {
    const { command, cwd, width, height, pixels, fps } = this.spec;
    const [file, ...args] = command;
    const group = this.context.spawn({
      file,
      args,
      cwd,
      env: {
        ...this.context.env,
        RUNBEAT_FRAME_WIDTH: String(width),
        RUNBEAT_FRAME_HEIGHT: String(height),
        RUNBEAT_FRAME_PIXELS: pixels,
        RUNBEAT_FRAME_FPS: String(fps),
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.group = group;
    this.startedMs = performance.now();
    // What it did not read when it ended; its end is told by itself.
    group.input(0).on("error", () => {});
    this.listen(group);
    return group;
  }

  private listen(group: ChildGroup): void {
    const stderr = createLineTail({ maxLines: STDERR_LINES });
    group.output(2).setEncoding("utf8").on("data", stderr.feed).on("error", ignore);
    let rest = "";
    const read = (text: string) => {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(0, MAX_LINE_CHARS);
      for (const line of lines) this.answered(line);
    };
    group.output(1).setEncoding("utf8").on("data", read).on("error", ignore);
    this.ending = group.ended.then(async (end) => {
      await group.drained(2);
      stderr.flush();
      this.ended(end, stderr.lines());
      await group.stop();
    });
  }

  /** What is no JSON is talk of a library, and no answer. */
  private answered(line: string): void {
    if (!line.trimStart().startsWith("{")) {
      if (line !== "") this.talk = ` and wrote ${line.slice(0, 100)}`;
      return;
    }
    try {
      this.pending?.resolve(parseAnswer(JSON.parse(line)));
    } catch (error) {
      this.pending?.reject(new Error(`it wrote ${line.slice(0, 100)}: ${messageOf(error)}`));
    }
  }

  private tooLate(group: ChildGroup): void {
    const { answerMs = ANSWER_MS } = this.context;
    const message = `it did not answer within ${answerMs / 1000} s${this.talk}; it is started again`;
    this.pending?.reject(new Error(message));
    void group.stop();
  }

  private ended({ code, signal }: ChildEnd, stderr: readonly string[]): void {
    this.group = undefined;
    if (performance.now() - this.startedMs >= GOOD_MS) this.ends = 0;
    const said = stderr.length === 0 ? "" : `: ${stderr.join(" | ")}`;
    this.pauseAfter(`it ended with ${signal ?? `exit code ${code}`}${said}`);
    this.pending?.reject(new Error(this.trouble));
  }

  private pauseAfter(trouble: string): void {
    const { backoffMs = BACKOFF_MS } = this.context;
    this.trouble = trouble;
    this.notBeforeMs = performance.now() + (backoffMs[this.ends] ?? backoffMs.at(-1) ?? 0);
    this.ends++;
  }
}

function ignore(): void {
  // A pipe that breaks has a process that ends, and that is told.
}
