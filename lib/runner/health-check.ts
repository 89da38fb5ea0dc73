/**
 * The package's export `runbeat/health`. Looks after the host that runners share: disk, memory,
 * processor, network and the right to write.
 *
 * ```ts
 * import { startHealthChecks } from "runbeat/health";
 *
 * const health = startHealthChecks({
 *   dataDir: "/var/lib/app",
 *   reach: ["nats.example:4222"],
 *   onChange: ({ check, ok, message }) => console.error(check, ok ? "is well again" : message),
 * });
 * health.checks(); // {disk_space: true, memory: true, cpu: true, network: true, …}
 * await health.stop();
 * ```
 */
import { DEFAULT_CHECK_LIMITS } from "../core/health-checks.ts";
import type { CheckLimits, CheckName, CheckResult } from "../core/health-checks.ts";
import { checkCpu, checkDisk, checkFiles, checkMemory, checkNetwork } from "./health-check-list.ts";
import type { Check, Finding } from "./health-check-list.ts";

export type { CheckLimits, CheckName, CheckResult, Severity } from "../core/health-checks.ts";
export type { Check, Finding } from "./health-check-list.ts";

const DEFAULT_EVERY_SEC = 30;
const MAX_RESULTS = 1_000;
/** A disk or name server that hangs is as bad as one that fails. */
const LATE_MS = 10_000;

export interface HealthCheckOptions {
  /** The folder whose disk is looked at and which must be writable. */
  readonly dataDir: string;
  /**
   * Where the network must lead: `host:port` is connected to, a bare `host` is looked up. One of
   * them is enough. None: this host's own loopback.
   */
  readonly reach?: readonly string[];
  readonly limits?: CheckLimits;
  /** 30 unless given. */
  readonly everySec?: number;
  /**
   * Told whenever a check's severity becomes another: to warning or error (`ok` is false), or back
   * to ok. Not told when a first look finds all well. What it throws is ignored.
   */
  readonly onChange?: (result: CheckResult) => void;
  /** The checks; those of the host unless given. */
  readonly list?: ReadonlyMap<CheckName, Check>;
  /** The look that waits for an answer is given up after this; 10,000 unless given. */
  readonly lateMs?: number;
}

export interface HealthChecker {
  /** Whether each check was well at the last look, warnings counting as not well. */
  checks(): Record<string, boolean>;
  /** The last result of each check. */
  latest(): readonly CheckResult[];
  /** The last 1,000 results, oldest first. */
  results(): readonly CheckResult[];
  /** Looks at once, beside the regular looks; for tests and for who just mended something. */
  look(): Promise<void>;
  /** Ends looking. Answers once no look is under way; one that hangs is not waited for. */
  stop(): Promise<void>;
}

/** Looks at once and then again and again. Never throws and never keeps the process alive. */
export function startHealthChecks(options: HealthCheckOptions): HealthChecker {
  const checker = new Checker(options);
  checker.start();
  return checker;
}

function hostChecks(options: HealthCheckOptions): ReadonlyMap<CheckName, Check> {
  const { dataDir, reach = [], limits = DEFAULT_CHECK_LIMITS } = options;
  return new Map<CheckName, Check>([
    ["disk_space", checkDisk(dataDir, limits.disk)],
    ["memory", checkMemory(limits.memory)],
    ["cpu", checkCpu(limits.cpu)],
    ["network", checkNetwork(reach)],
    ["file_permissions", checkFiles(dataDir)],
  ]);
}

class Checker implements HealthChecker {
  private readonly options: HealthCheckOptions;
  private readonly list: ReadonlyMap<CheckName, Check>;
  private readonly last = new Map<CheckName, CheckResult>();
  private readonly history: CheckResult[] = [];
  /** Looks that have not answered: another one beside them would hang too. */
  private readonly pending = new Map<CheckName, Promise<Finding>>();
  private looking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(options: HealthCheckOptions) {
    this.options = options;
    this.list = options.list ?? hostChecks(options);
  }

  start(): void {
    const everyMs = (this.options.everySec ?? DEFAULT_EVERY_SEC) * 1_000;
    void this.look();
    this.timer = setInterval(() => void this.look(), everyMs);
    this.timer.unref();
  }

  checks(): Record<string, boolean> {
    const known = this.latest().filter(({ severity }) => severity !== "unknown");
    return Object.fromEntries(known.map(({ check, ok }) => [check, ok]));
  }

  latest(): readonly CheckResult[] {
    return [...this.last.values()];
  }

  results(): readonly CheckResult[] {
    return [...this.history];
  }

  look(): Promise<void> {
    this.looking ??= this.lookAtAll().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.looking;
  }

  private async lookAtAll(): Promise<void> {
    await Promise.all([...this.list].map(([name, check]) => this.lookAt(name, check)));
  }

  private async lookAt(name: CheckName, check: Check): Promise<void> {
    const before = this.last.get(name)?.severity ?? "unknown";
    const asking = this.pending.get(name) ?? this.ask(name, check, before);
    const finding = await orLate(asking, this.options.lateMs ?? LATE_MS);
    if (!this.isStopped) this.keep({ check: name, ...finding });
  }

  private ask(name: CheckName, check: Check, before: CheckResult["severity"]): Promise<Finding> {
    const asking = check(before);
    this.pending.set(name, asking);
    void asking.finally(() => this.pending.delete(name));
    return asking;
  }

  private keep(found: { readonly check: CheckName } & Finding): void {
    const { severity } = found;
    const ok = severity === "ok" || severity === "unknown";
    const result: CheckResult = { ...found, at: Date.now(), ok };
    const before = this.last.get(found.check)?.severity ?? "unknown";
    this.last.set(found.check, result);
    this.history.push(result);
    if (this.history.length > MAX_RESULTS) this.history.shift();
    const isNews = severity !== before && !(before === "unknown" && ok) && severity !== "unknown";
    if (isNews) this.tell(result);
  }

  private tell(result: CheckResult): void {
    try {
      this.options.onChange?.(result);
    } catch {
      // The host's own callback failed; the checks go on.
    }
  }
}

/** The answer, or an error where it takes too long. */
async function orLate(asking: Promise<Finding>, lateMs: number): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    const message = `No answer within ${lateMs / 1_000} s`;
    timer = setTimeout(() => resolve({ severity: "error", message, value: null }), lateMs);
    timer.unref();
  });
  try {
    return await Promise.race([asking, late]);
  } finally {
    clearTimeout(timer);
  }
}
