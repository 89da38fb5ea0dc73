/** A command that knows nothing of Runbeat, and what there is to say of it from outside. */
import type { Readable, Writable } from "node:stream";
import type { ChildEnd, ChildGroup, SpawnGroup } from "../core/child-group.ts";
import { createLineTail } from "../core/line-tail.ts";
import type { LineTail } from "../core/line-tail.ts";
import type { CommandSpec } from "../core/fleet.ts";
import type { GpuMemory } from "./gpu-memory.ts";
import type { HeartbeatPart } from "./heartbeat-body.ts";
import { startProbe } from "./probe.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { isProcessAlive, isProcessStopped } from "./process-identity.ts";
import { createUsageMeter } from "./process-usage.ts";
import type { UsageMeter } from "./process-usage.ts";
import { usageFields } from "./usage-fields.ts";

/** Of each of its outputs, for the event that tells its end. */
const MAX_LAST_LINES = 20;
const STDOUT_FD = 1;
const STDERR_FD = 2;

/** How a command ended, and its last words, redacted. */
export interface CommandEnd extends ChildEnd {
  readonly ranSec: number;
  /** Empty where it went straight to ours. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

/** Where the output of a command goes. */
export type CommandOutput =
  /** Its input and output are ours, and its stderr goes there. */
  | { readonly kind: "ours"; readonly stderr: Writable }
  /** It reads nothing, and each line that it writes is handed over, redacted. */
  | {
      readonly kind: "lines";
      readonly secrets: readonly string[];
      readonly onLine: (source: "out" | "err", line: string) => void;
    };

export interface WrappedCommandOptions {
  readonly spec: CommandSpec;
  readonly spawn: SpawnGroup;
  readonly output: CommandOutput;
  readonly onProbe: (result: ProbeResult) => void;
  /** Where its use of GPUs is to be told too. */
  readonly gpu?: GpuMemory;
}

export interface WrappedCommand {
  readonly pid: number;
  readonly startedAt: number;
  /** Once it has ended and nothing of its group is left. */
  readonly ended: Promise<CommandEnd>;
  /** For its heartbeat; null while it is stopped or gone: it must not look alive. */
  collect(): HeartbeatPart | null;
  /** Hands a signal on to everything that it has started. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it by the stop ladder. */
  stop(): Promise<CommandEnd>;
}

/** @throws AppError `invalid` where it can't be started. */
export function startWrappedCommand(options: WrappedCommandOptions): WrappedCommand {
  return new Wrapped(options);
}

class Wrapped implements WrappedCommand {
  readonly pid: number;
  readonly startedAt: number;
  readonly ended: Promise<CommandEnd>;
  private readonly group: ChildGroup;
  private readonly stdout: LineTail;
  private readonly stderr: LineTail;
  private readonly descriptors: readonly number[];
  private readonly measure: UsageMeter;
  private readonly probe: Probe | undefined;
  private readonly startedMs = performance.now();

  constructor({ spec, spawn, output, onProbe, gpu }: WrappedCommandOptions) {
    const { command, cwd, env, probe } = spec;
    const where = { env, ...(cwd === undefined ? {} : { cwd }) };
    const [file, ...args] = command;
    const stdio = output.kind === "ours" ? OURS : CAPTURED;
    this.group = spawn({ file, args, ...where, stdio });
    this.pid = this.group.pid;
    this.startedAt = this.group.startedAt;
    this.stdout = newTail(output, "out");
    this.stderr = newTail(output, "err");
    this.measure = createUsageMeter(this.pid, gpu && { gpu });
    this.descriptors = output.kind === "ours" ? [STDERR_FD] : [STDOUT_FD, STDERR_FD];
    feed(this.group.output(STDERR_FD), this.stderr);
    if (output.kind === "ours") passOn(this.group.output(STDERR_FD), output.stderr);
    else feed(this.group.output(STDOUT_FD), this.stdout);
    this.probe = probe && startProbe(probe, { spawn, ...where }, onProbe);
    this.ended = this.watch();
  }

  collect(): HeartbeatPart | null {
    if (isProcessStopped(this.pid) || !isProcessAlive(this.pid)) return null;
    const result = this.probe?.result();
    const isFailing = result?.isOk === false;
    return {
      health: isFailing ? "unhealthy" : "healthy",
      last_error: isFailing ? result.message : "",
      resources: usageFields(this.measure()),
      ...(result === undefined ? {} : { checks: { probe: result.isOk } }),
    };
  }

  signal(signal: NodeJS.Signals): void {
    this.group.signal(signal);
  }

  async stop(): Promise<CommandEnd> {
    void this.group.stop();
    return await this.ended;
  }

  /** What it left behind ends with it: a runner that has ended must not run on in part. */
  private async watch(): Promise<CommandEnd> {
    const end = await this.group.ended;
    const ranSec = Math.round(performance.now() - this.startedMs) / 1000;
    await Promise.all([this.group.stop(), this.probe?.stop()]);
    await Promise.all(this.descriptors.map(async (fd) => await this.group.drained(fd)));
    this.stdout.flush();
    this.stderr.flush();
    return { ...end, ranSec, stdout: this.stdout.lines(), stderr: this.stderr.lines() };
  }
}

const OURS = ["inherit", "inherit", "pipe"] as const;
const CAPTURED = ["ignore", "pipe", "pipe"] as const;

function newTail(output: CommandOutput, source: "out" | "err"): LineTail {
  if (output.kind === "ours") return createLineTail({ maxLines: MAX_LAST_LINES });
  const { secrets, onLine } = output;
  return createLineTail({
    maxLines: MAX_LAST_LINES,
    secrets,
    onLine: (line) => onLine(source, line),
  });
}

function feed(from: Readable, tail: LineTail): void {
  const decoder = new TextDecoder();
  from.on("data", (chunk: Buffer) => tail.feed(decoder.decode(chunk, { stream: true })));
  from.on("error", () => {});
}

/** At the speed of who reads our stderr; when nobody does any more, the command must not stall. */
function passOn(from: Readable, to: Writable): void {
  from.pipe(to, { end: false });
  to.on("error", () => {
    from.unpipe(to);
    from.resume();
  });
}
