import { get } from "node:http";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "../dashboard/browser.ts";
import { statusOf } from "./api.ts";
import type { Figures } from "./figures.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";
import { hasCheckpoint } from "./live.ts";
import { NOTE_FRAMES, watchFrames } from "./page-frames.ts";
import { fill, freePort, resetStreams, startCommand, stopCommand, until } from "./stage.ts";
import type { Stage } from "./stage.ts";

const RUNNERS = 10_000;
const RATE = 1_000;
const SECONDS = 10;
const STEP_MS = 20;
const LOADS = 3;
const PAST_VIEWS = 5;

/** The page in a real browser, while the fleet beats: what it loads, when it shows, how it moves. */
export async function measurePage(stage: Stage, figures: Figures): Promise<void> {
  const [rate, runners] = [RATE, RUNNERS].map((number) => number.toLocaleString("en-US"));
  figures.heading(`The page in Chromium, ${runners} runners, ${rate} heartbeats/s`);
  await resetStreams(stage);
  await fill(stage, RUNNERS, 1);
  const dataDir = join(stage.dir, "page");
  mkdirSync(dataDir);
  const projector = startCommand(stage, dataDir, ["projector"]);
  const port = await freePort();
  await until(() => hasCheckpoint(join(dataDir, "runbeat.db")));
  const api = startCommand(stage, dataDir, ["api"], { RUNBEAT_HTTP_PORT: String(port) });
  const browser = await openBrowser();
  const stopBeating = beat(stage);
  try {
    const origin = `http://127.0.0.1:${port}`;
    await until(async () => (await statusOf(`${origin}/readyz`)) === 200);
    figures.add("snapshot, compressed", (await snapshotBytes(origin)) / 1_000, "kB");
    await measureLoads(browser, origin, figures);
    await measureMoving(browser, origin, figures);
    await measurePastViews(browser, origin, figures);
  } finally {
    stopBeating();
    await browser.close();
    await stopCommand(api);
    await stopCommand(projector);
  }
}

function beat({ nc }: Stage): () => void {
  const from = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - from) / 1_000) * RATE;
    for (; sent < due; sent++) nc.publish(subjectOf(sent % RUNNERS), bodyOf(sent % RUNNERS, sent));
  }, STEP_MS);
  return () => clearInterval(timer);
}

/** What comes over the wire until the first snapshot is whole. */
async function snapshotBytes(origin: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    const request = get(
      `${origin}/api/v1/live`,
      { headers: { "accept-encoding": "gzip" } },
      (response) => {
        let bytes = 0;
        const plain = createGunzip();
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          plain.write(chunk);
        });
        plain.on("data", (chunk: Buffer) => {
          if (!chunk.includes('"more":false')) return;
          resolve(bytes);
          request.destroy();
        });
      },
    );
    request.once("error", reject);
  });
}

interface Loaded {
  readonly paintMs: number;
  readonly rowsMs: number;
  readonly bytes: number;
}

/** Notes when the first row of the table is there. */
const NOTE_ROWS = `
  window.rowsAt = new Promise((resolve) => {
    const look = () => {
      if (document.querySelector(".row.line") === null) requestAnimationFrame(look);
      else resolve(performance.now());
    };
    requestAnimationFrame(look);
  });
`;

const LOADED = `window.rowsAt.then((rowsMs) => ({
  paintMs: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  rowsMs,
  bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter(({ name }) => !name.includes("/api/"))
    .reduce((sum, { transferSize }) => sum + transferSize, 0),
}))`;

async function openPage(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.addInitScript(NOTE_ROWS);
  await page.addInitScript(NOTE_FRAMES);
  await page.goto(url);
  await page.evaluate("window.rowsAt");
  return page;
}

/** Each time in a browser that knows nothing of it; the best tells what the page itself takes. */
async function measureLoads(browser: Browser, origin: string, figures: Figures): Promise<void> {
  const loads: Loaded[] = [];
  for (let load = 0; load < LOADS; load++) {
    const page = await openPage(browser, origin);
    loads.push(await page.evaluate<Loaded>(LOADED));
    await page.context().close();
  }
  const best = (key: keyof Loaded): number => Math.min(...loads.map((load) => load[key]));
  figures.add("page and what it loads, compressed", best("bytes") / 1_000, "kB");
  figures.add("first paint", best("paintMs"), "ms");
  figures.add("first rows", best("rowsMs"), "ms");
}

async function measureMoving(browser: Browser, origin: string, figures: Figures): Promise<void> {
  const page = await openPage(browser, origin);
  await page.waitForTimeout(2_000);
  const ways: readonly (readonly [name: string, work: () => Promise<void>])[] = [
    ["at rest", async () => await page.waitForTimeout(SECONDS * 1_000)],
    ["scrolling", async () => void (await page.evaluate(SCROLL))],
    ["searching", async () => await search(page)],
  ];
  for (const [name, work] of ways) {
    const frames = await watchFrames(page, work);
    figures.add(`${name}: between frames, p50`, frames.p50, "ms");
    figures.add(`${name}: between frames, p99`, frames.p99, "ms");
    figures.add(`${name}: between frames, longest`, frames.longest, "ms");
    figures.add(`${name}: frames later than 50 ms`, frames.late, "");
    figures.add(`${name}: longest task (processor's time)`, frames.longestTaskMs, "ms");
    figures.add(`${name}: share of a processor`, frames.share, "");
  }
  await page.context().close();
}

/** From top to bottom and back, a little with every frame, for so long. */
const SCROLL = `new Promise((resolve) => {
  const table = document.querySelector(".table");
  const height = table.scrollHeight;
  const from = performance.now();
  const step = (now) => {
    const way = ((now - from) / 2_500) % 2;
    table.scrollTop = (way < 1 ? way : 2 - way) * height;
    if (now - from < ${SECONDS * 1_000}) requestAnimationFrame(step);
    else resolve();
  };
  requestAnimationFrame(step);
})`;

async function search(page: Page): Promise<void> {
  const field = page.getByRole("searchbox");
  for (let word = 0; word < SECONDS / 2; word++) {
    await field.pressSequentially(`cam${word}7`, { delay: 150 });
    await page.waitForTimeout(500);
    await field.fill("");
    await page.waitForTimeout(500);
  }
}

/** From asking for a moment until all of its runners are shown. */
async function measurePastViews(browser: Browser, origin: string, figures: Figures): Promise<void> {
  const page = await openPage(browser, origin);
  let bytes = 0;
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.getByRole("button", { name: "Time", exact: true }).click();
  const took: number[] = [];
  // All runners have beaten by then, and the clocks of both machines agree well enough.
  const end = Date.now() - 3_000;
  const frames = await watchFrames(page, async () => {
    for (let step = PAST_VIEWS; step > 0; step--) {
      const at = new Date(end - step * 1_000).toISOString().slice(0, 19);
      const from = performance.now();
      await page.getByLabel("Moment, in UTC").fill(at);
      await page.getByText(at.replace("T", " ")).waitFor();
      await page.locator(".time-bar[aria-busy=false]").waitFor();
      took.push(performance.now() - from);
    }
  });
  const sorted = Float64Array.from(took).toSorted();
  figures.add("past view, first", took[0] ?? Number.NaN, "ms");
  figures.add("past view, median", sorted[sorted.length >> 1] ?? Number.NaN, "ms");
  figures.add("past view, compressed", bytes / took.length / 1_000, "kB");
  figures.add("past view: longest task (processor's time)", frames.longestTaskMs, "ms");
  await page.context().close();
}
