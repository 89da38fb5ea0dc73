/**
 * How much memory of NVIDIA GPUs processes use. One `nvidia-smi` runs as long as we do and prints
 * every 5 s, for starting it takes longer than what it does; and it runs only once a process of
 * ours was seen to use such a GPU.
 */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ChildGroup, SpawnGroup } from "../core/child-group.ts";
import { createLineTail } from "../core/line-tail.ts";

const EVERY_SEC = 5;
/** What was not printed again by then is over: a process that ended is in no later line. */
const OLD_MS = 3 * EVERY_SEC * 1_000;
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 600_000;
/** Descriptors of one process that are looked through for a GPU. */
const MAX_DESCRIPTORS = 512;
/** Processes whose memory is kept; more would be a fault of what is read. */
const MAX_ENTRIES = 4_096;

const ARGUMENTS = [
  "--query-compute-apps=gpu_uuid,pid,used_memory",
  "--format=csv,noheader,nounits",
  "-l",
  String(EVERY_SEC),
];

export interface GpuMemory {
  /**
   * What these processes use together, MiB; null where that is not known, as on a host without
   * such a GPU, or where they use none.
   */
  usedMb(pids: readonly number[]): number | null;
  stop(): Promise<void>;
}

export interface GpuMemoryOptions {
  readonly spawn: SpawnGroup;
  /** Where programs are looked for, as in PATH. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the GPU's device files are; "/dev" but for tests. */
  readonly devices?: string;
  /** A monotonic clock in ms. */
  readonly nowMs?: () => number;
  /** Before it is started again, after it has ended by itself. */
  readonly firstPauseMs?: number;
}

/** Starts nothing before it is needed. Never throws and never keeps the process alive. */
export function openGpuMemory(options: GpuMemoryOptions): GpuMemory {
  const { devices = "/dev", path } = options;
  const program = existsSync(join(devices, "nvidiactl")) ? findProgram(path) : undefined;
  // There is none: it is never asked for again.
  if (program === undefined) return { usedMb: () => null, stop: async () => {} };
  return new Watcher(program, options, join(devices, "nvidia"));
}

function findProgram(path: string): string | undefined {
  const folders = path.split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, "nvidia-smi")).find((file) => existsSync(file));
}

interface Entry {
  readonly mb: number;
  readonly atMs: number;
}

class Watcher implements GpuMemory {
  private readonly program: string;
  private readonly options: GpuMemoryOptions;
  private readonly devicePrefix: string;
  private readonly entries = new Map<number, Map<string, Entry>>();
  private child: ChildGroup | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pauseMs: number;
  private isStarted = false;
  private isStopped = false;

  constructor(program: string, options: GpuMemoryOptions, devicePrefix: string) {
    this.program = program;
    this.options = options;
    this.devicePrefix = devicePrefix;
    this.pauseMs = options.firstPauseMs ?? FIRST_PAUSE_MS;
  }

  usedMb(pids: readonly number[]): number | null {
    if (!this.isStarted && pids.some((pid) => usesDevice(pid, this.devicePrefix))) this.start();
    const sinceMs = this.nowMs() - OLD_MS;
    const found = pids.flatMap((pid) => [...(this.entries.get(pid)?.values() ?? [])]);
    const fresh = found.filter(({ atMs }) => atMs >= sinceMs);
    return fresh.length === 0 ? null : fresh.reduce((sum, { mb }) => sum + mb, 0);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.child?.stop();
  }

  private start(): void {
    if (this.isStopped) return;
    this.isStarted = true;
    const { spawn, env } = this.options;
    try {
      const stdio = ["ignore", "pipe", "ignore"] as const;
      const child = spawn({ file: this.program, args: ARGUMENTS, env, stdio });
      this.child = child;
      this.read(child);
      void child.ended.then(() => this.again());
    } catch {
      this.again();
    }
  }

  private read(child: ChildGroup): void {
    const lines = createLineTail({ maxLines: 1, onLine: (line) => this.take(line) });
    child
      .output(1)
      .setEncoding("utf8")
      .on("data", lines.feed)
      .on("error", () => {});
  }

  /** It ends where the driver was reloaded; trying without a pause would only heat the host. */
  private again(): void {
    this.child = undefined;
    this.entries.clear();
    if (this.isStopped) return;
    this.timer = setTimeout(() => this.start(), this.pauseMs).unref();
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
  }

  private take(line: string): void {
    const use = parseGpuLine(line);
    if (use === undefined) return;
    this.pauseMs = this.options.firstPauseMs ?? FIRST_PAUSE_MS;
    const ofProcess = this.entries.get(use.pid) ?? new Map<string, Entry>();
    ofProcess.set(use.gpu, { mb: use.mb, atMs: this.nowMs() });
    this.entries.delete(use.pid);
    this.entries.set(use.pid, ofProcess);
    // The one that was not printed for longest goes first.
    const [oldest] = this.entries.keys();
    if (this.entries.size > MAX_ENTRIES && oldest !== undefined) this.entries.delete(oldest);
  }

  private nowMs(): number {
    return this.options.nowMs?.() ?? performance.now();
  }
}

/** Parses `GPU-8f…, 4711, 1024`; undefined for messages, and for `[N/A]` as virtual GPUs have it. */
export function parseGpuLine(
  line: string,
): { readonly gpu: string; readonly pid: number; readonly mb: number } | undefined {
  const match = /^([\w-]+), *(\d+), *(\d+(?:\.\d+)?)(?: MiB)?$/.exec(line);
  if (match === null) return undefined;
  return { gpu: match[1] ?? "", pid: Number(match[2]), mb: Number(match[3]) };
}

/** Whether it has a GPU's device file open. */
function usesDevice(pid: number, prefix: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder)
      .slice(0, MAX_DESCRIPTORS)
      .some((name) => linkOf(`${folder}/${name}`).startsWith(prefix));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
