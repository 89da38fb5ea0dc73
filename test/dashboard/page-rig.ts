/** What the page's tests share: five runners, one of them ended, and a browser to look at them. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { BROWSER_MS, openBrowser } from "./browser.ts";
import { processOf, startParts } from "./running-parts.ts";
import type { PartsOptions, RunningParts } from "./running-parts.ts";

export const ENDED = "process/bidder/default";
const RUNNERS = [
  "camera/front-door/hd",
  "camera/back-yard/hd",
  "worker/gpu-0/default",
  "service/api/main",
  ENDED,
];
export const WORST_FIRST = [
  ENDED,
  "worker/gpu-0/default",
  "camera/back-yard/hd",
  "camera/front-door/hd",
  "service/api/main",
];
/** The API only estimates the server's clock. */
const CLEAR_MS = 250;

export interface PageRig {
  readonly parts: RunningParts;
  /** A moment at which all five were online. */
  readonly allOnlineAt: string;
  /** A page of the dashboard in a context of its own; closed after the test, which a fault of its fails. */
  open(path: string, options?: BrowserContextOptions): Promise<Page>;
}

/** Starts the rig before the file's first test and ends it after the last. */
export function pageRig(options: PartsOptions = {}): () => PageRig {
  let rig: PageRig | undefined;
  let browser: Browser | undefined;
  const faults: string[] = [];
  beforeAll(async () => {
    const opened = await Promise.all([openBrowser(), startParts(options)]);
    browser = opened[0];
    const [, parts] = opened;
    rig = {
      parts,
      allOnlineAt: await tellTheFleet(parts),
      open: pageOpener(browser, parts, faults),
    };
  }, BROWSER_MS);
  afterAll(async () => {
    await browser?.close();
    await rig?.parts.close();
  });
  afterEach(async () => {
    const contexts = browser?.contexts() ?? [];
    await Promise.all(contexts.map(async (context) => await context.close()));
    if (faults.length > 0) throw new Error(`the page failed: ${faults.splice(0).join("; ")}`);
  });
  return () => {
    if (rig === undefined) throw new Error("the rig is not up before the first test");
    return rig;
  };
}

interface Counted {
  readonly online: number;
  readonly offline: number;
  readonly time: string;
}

async function summaryOf(parts: RunningParts): Promise<Counted> {
  const answer = await fetch(`${parts.url}/api/v1/summary`);
  const { status, as_of } = (await answer.json()) as {
    status: { online: number; offline: number };
    as_of: { time: string };
  };
  return { ...status, time: as_of.time };
}

/** @returns a moment at which all were online, before the one ended. */
async function tellTheFleet(parts: RunningParts): Promise<string> {
  for (const runner of RUNNERS) {
    const isWorker = runner === "worker/gpu-0/default";
    parts.beat(runner, {
      fps: runner.startsWith("camera/") ? 24.9 : null,
      health: isWorker ? "degraded" : "healthy",
      last_error: isWorker ? "out of memory" : "",
    });
  }
  const first = await waitFor(async () => {
    const { online, time } = await summaryOf(parts);
    return online >= RUNNERS.length && time;
  });
  // The moment must be clear of the last heartbeat.
  const allOnlineAt = await waitFor(async () => {
    const { time } = await summaryOf(parts);
    return Date.parse(time) > Date.parse(first) + CLEAR_MS && time;
  });
  parts.tell(ENDED, "process_exited", {
    ...processOf(ENDED),
    exit_code: 3,
    signal: null,
    ran_sec: 2,
    stderr: ["no such tap"],
  });
  await waitFor(async () => (await summaryOf(parts)).offline === 1);
  return allOnlineAt;
}

function pageOpener(browser: Browser, { url }: RunningParts, faults: string[]): PageRig["open"] {
  return async (path, options = {}) => {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 720 },
      ...options,
    });
    const page = await context.newPage();
    page.on("pageerror", ({ message }) => faults.push(message));
    page.on("console", (message) => {
      const text = message.text();
      // The browser writes refused connections and answers down by itself.
      if (message.type() === "error" && !text.startsWith("Failed to load resource"))
        faults.push(text);
    });
    await page.goto(url + path);
    return page;
  };
}

/** The names in the table, from the top. */
export async function shownRunners(page: Page): Promise<string[]> {
  return await page.locator("[role=row] .c-runner a").allTextContents();
}

export async function untilShown(page: Page, wanted: readonly string[]): Promise<void> {
  await waitFor(async () => String(await shownRunners(page)) === String(wanted), {
    what: `the rows ${wanted.join(", ")}`,
  }).catch(async () => expect(await shownRunners(page)).toEqual(wanted));
}

export async function untilText(page: Page, place: string, wanted: string): Promise<void> {
  const text = async () => (await page.locator(place).textContent()) ?? "";
  await waitFor(async () => (await text()).includes(wanted), { what: `${wanted} in ${place}` });
}
