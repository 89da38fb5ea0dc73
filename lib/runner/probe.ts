/** Asks a command from outside whether it still works. */
import { setTimeout as delay } from "node:timers/promises";
import type { ChildGroup, SpawnGroup } from "../core/child-group.ts";
import { messageOf } from "../core/errors.ts";
import { createLineTail } from "../core/line-tail.ts";
import { redact } from "../core/redact.ts";
import type { ProbeSpec } from "../core/fleet.ts";

/** Undefined before the first answer. */
export interface ProbeResult {
  readonly isOk: boolean;
  /** "" where it is. */
  readonly message: string;
}

export interface Probe {
  result(): ProbeResult | undefined;
  stop(): Promise<void>;
}

/** Starts asking; the next question waits for the answer before it. */
export function startProbe(
  spec: ProbeSpec,
  context: { readonly spawn: SpawnGroup; readonly cwd?: string; readonly env: CommandEnv },
  onChange: (result: ProbeResult) => void,
): Probe {
  const ask = spec.http === undefined ? commandProbe(spec, context) : httpProbe(spec, spec.http);
  const stopping = new AbortController();
  let last: ProbeResult | undefined;
  const tell = (result: ProbeResult) => {
    const isNew = last?.isOk !== result.isOk || last.message !== result.message;
    last = result;
    if (isNew && !stopping.signal.aborted) onChange(result);
  };
  const loop = askForEver(ask, spec.everySec * 1000, stopping.signal, tell);
  return {
    result: () => last,
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

type CommandEnv = Readonly<Record<string, string | undefined>>;

/** "" for a good answer, else what is wrong. */
type Ask = (stopping: AbortSignal) => Promise<string>;

async function askForEver(
  ask: Ask,
  everyMs: number,
  stopping: AbortSignal,
  tell: (result: ProbeResult) => void,
): Promise<void> {
  while (!stopping.aborted) {
    const startedMs = performance.now();
    const wrong = await ask(stopping);
    tell({ isOk: wrong === "", message: wrong === "" ? "" : redact(`Probe failed: ${wrong}`) });
    await pause(Math.max(0, everyMs - (performance.now() - startedMs)), stopping);
  }
}

async function pause(ms: number, stopping: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stopping }).catch(() => {});
}

function httpProbe(spec: ProbeSpec, url: string): Ask {
  return async (stopping) => {
    try {
      const timeout = AbortSignal.timeout(spec.timeoutSec * 1000);
      const signal = AbortSignal.any([stopping, timeout]);
      const response = await fetch(url, { signal, redirect: "manual" });
      await response.body?.cancel();
      return response.status < 400 ? "" : `${url} answers ${response.status}`;
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const isLate = cause instanceof Error && cause.name === "TimeoutError";
      return isLate ? `${url} does not answer within ${spec.timeoutSec} s` : messageOf(cause);
    }
  };
}

function commandProbe(
  spec: ProbeSpec,
  context: { readonly spawn: SpawnGroup; readonly cwd?: string; readonly env: CommandEnv },
): Ask {
  const [file = "", ...args] = spec.command ?? [];
  return async (stopping) => {
    try {
      const { spawn, ...where } = context;
      const group = spawn({ file, args, ...where, stdio: ["ignore", "ignore", "pipe"] });
      return await judge(group, file, spec.timeoutSec, stopping);
    } catch (error) {
      return messageOf(error);
    }
  };
}

async function judge(
  group: ChildGroup,
  name: string,
  timeoutSec: number,
  stopping: AbortSignal,
): Promise<string> {
  const tail = createLineTail({ maxLines: 1 });
  group
    .output(2)
    .setEncoding("utf8")
    .on("data", tail.feed)
    .on("error", () => {});
  const late = new AbortController();
  const isOver = await Promise.race([
    group.ended.then(() => true),
    pause(timeoutSec * 1000, AbortSignal.any([stopping, late.signal])).then(() => false),
  ]);
  late.abort();
  const { code, signal } = await group.stop();
  tail.flush();
  if (!isOver) return `${name} does not end within ${timeoutSec} s`;
  if (code === 0) return "";
  const said = tail.lines().at(-1);
  return `${name} ended with ${signal ?? `exit code ${code}`}${said === undefined ? "" : `: ${said}`}`;
}
