/** Watches a page as its user would: frames that come late, and tasks that keep it from answering. */
import type { CDPSession, Page } from "playwright-core";
import { quantile } from "./figures.ts";

export interface FrameFigures {
  /** Between two frames, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** Frames later than 50 ms after the one before. */
  readonly late: number;
  /** What the longest task of the page's thread took of a processor, whatever else ran there, ms. */
  readonly longestTaskMs: number;
  /** What all of them took, of one processor. */
  readonly share: number;
}

const LATE_MS = 50;

/** To be run in every page before its own scripts. */
export const NOTE_FRAMES = `
  window.frameGaps = [];
  let last;
  const note = (now) => {
    if (last !== undefined) window.frameGaps.push(now - last);
    last = now;
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
`;

/** What frames and tasks are like while something is done. */
export async function watchFrames(page: Page, work: () => Promise<void>): Promise<FrameFigures> {
  const session = await page.context().newCDPSession(page);
  const tasks = await traceTasks(session);
  await page.evaluate("window.frameGaps.length = 0");
  const from = performance.now();
  await work();
  const elapsedMs = performance.now() - from;
  const gaps = Float64Array.from(await page.evaluate<number[]>("window.frameGaps")).toSorted();
  const took = await tasks();
  await session.detach();
  return {
    p50: quantile(gaps, 0.5),
    p99: quantile(gaps, 0.99),
    longest: gaps.at(-1) ?? Number.NaN,
    late: gaps.filter((gap) => gap > LATE_MS).length,
    longestTaskMs: Math.max(0, ...took),
    share: took.reduce((sum, one) => sum + one, 0) / elapsedMs,
  };
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Time of a processor, in microseconds. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** @returns what ends it and gives the time of a processor of each task of the page's thread, ms. */
async function traceTasks(session: CDPSession): Promise<() => Promise<number[]>> {
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) =>
    events.push(...(value as unknown as TraceEvent[])),
  );
  const categories = ["disabled-by-default-devtools.timeline", "__metadata"];
  await session.send("Tracing.start", {
    traceConfig: { includedCategories: categories, excludedCategories: ["*"] },
    transferMode: "ReportEvents",
  });
  return async () => {
    const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
    await session.send("Tracing.end");
    await complete;
    return tasksOf(events);
  };
}

/** Of the renderer whose main thread did most: the others belong to no page. */
function tasksOf(events: readonly TraceEvent[]): number[] {
  const mains = new Set(
    events
      .filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const byThread = new Map<string, number[]>();
  for (const { name, pid, tid, tdur } of events) {
    const thread = `${pid} ${tid}`;
    if (name !== "RunTask" || tdur === undefined || !mains.has(thread)) continue;
    const tasks = byThread.get(thread) ?? [];
    byThread.set(thread, tasks);
    tasks.push(tdur / 1_000);
  }
  const sum = (list: readonly number[]): number => list.reduce((total, one) => total + one, 0);
  return [...byThread.values()].toSorted((a, b) => sum(b) - sum(a))[0] ?? [];
}
