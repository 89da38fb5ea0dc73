/** `npm run screenshots`: the pictures of the README, of a simulated fleet that really runs. */
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { openContext } from "../../cmd/context.ts";
import { findNatsServer } from "../../cmd/programs.ts";
import { projectRoot } from "../../config/project-root.ts";
import { statusOf } from "../bench/api.ts";
import { freePort, openStage, startCommand, stopCommand, until } from "../bench/stage.ts";
import { openBrowser } from "../dashboard/browser.ts";
import { startSimulation } from "./simulated-fleet.ts";
import { terminalPage, topScreen } from "./terminal.ts";

const DESK = { viewport: { width: 1280, height: 600 } };
const PHONE = { viewport: { width: 390, height: 720 } };
/** Alerts wait for more members before they are told. */
const SETTLE_MS = 25_000;
/** Its rates need several seconds. */
const TOP_MS = 8_000;
const PAST_AGO_MS = 35 * 60_000;

const folder = join(projectRoot(), "lib", "dashboard", "pictures");
mkdirSync(folder, { recursive: true });
const { path } = await findNatsServer(openContext(new Command()));
const stage = await openStage(path);
const stopBeating = await startSimulation(stage);
const port = await freePort();
const dataDir = join(stage.dir, "data");
const children = ["projector", "sentinel", "api"].map((name) =>
  startCommand(stage, dataDir, [name], { RUNBEAT_HTTP_PORT: String(port), RUNBEAT_FLEET: "" }),
);
const browser = await openBrowser();
const origin = `http://127.0.0.1:${port}`;
try {
  await until(async () => (await statusOf(`${origin}/readyz`)) === 200);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await takeAll(browser);
} finally {
  stopBeating();
  await browser.close();
  for (const child of children) await stopCommand(child);
  await stage.close();
}

async function takeAll(browser: Browser): Promise<void> {
  const past = new Date(Math.floor((Date.now() - PAST_AGO_MS) / 1_000) * 1_000).toISOString();
  const shots: readonly (readonly [name: string, path: string, look: BrowserContextOptions])[] = [
    ["light", "/", { ...DESK, colorScheme: "light" }],
    ["dark", "/", { ...DESK, colorScheme: "dark" }],
    ["phone", "/", { ...PHONE, colorScheme: "light" }],
    ["past", `/?at=${past}`, { ...DESK, colorScheme: "dark" }],
  ];
  for (const [name, place, look] of shots) {
    const page = await (await browser.newContext(look)).newPage();
    await page.goto(origin + place);
    await page.locator(".row.line").first().waitFor();
    await page.locator(".freshness.live").waitFor();
    await page.locator(".time-bar[aria-busy=true]").waitFor({ state: "detached" });
    // The strips of the last hour are asked for by themselves.
    await page.locator(".strip .s-offline").first().waitFor();
    await take(page, name);
  }
  const screen = await topScreen(origin, TOP_MS);
  const page = await (
    await browser.newContext({ viewport: { width: 900, height: 560 } })
  ).newPage();
  await page.setContent(terminalPage(screen));
  writePicture("top", await page.locator("pre").screenshot());
}

async function take(page: Page, name: string): Promise<void> {
  writePicture(name, await page.screenshot({ animations: "disabled" }));
  await page.context().close();
}

function writePicture(name: string, content: Buffer): void {
  const file = join(folder, `${name}.png`);
  writeFileSync(file, content);
  process.stderr.write(`${file}: ${Math.round(statSync(file).size / 1_000)} kB\n`);
}
