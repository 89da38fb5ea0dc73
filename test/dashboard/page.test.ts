import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { BROWSER_MS, openBrowser } from "./browser.ts";
import { processOf, startParts } from "./running-parts.ts";
import type { RunningParts } from "./running-parts.ts";

const RUNNERS = [
  "camera/front-door/hd",
  "camera/back-yard/hd",
  "worker/gpu-0/default",
  "service/api/main",
  "process/bidder/default",
];
const ENDED = "process/bidder/default";
const CLEAR_MS = 250;

let browser: Browser;
let parts: RunningParts;
/** A moment at which all five were online. */
let allOnlineAt: string;

beforeAll(async () => {
  [browser, parts] = await Promise.all([openBrowser(), startParts()]);
  for (const runner of RUNNERS)
    parts.beat(runner, {
      fps: runner.startsWith("camera/") ? 24.9 : null,
      health: runner === "worker/gpu-0/default" ? "degraded" : "healthy",
      last_error: runner === "worker/gpu-0/default" ? "out of memory" : "",
    });
  const summary = async (): Promise<{ online: number; offline: number; time: string }> => {
    const answer = await fetch(`${parts.url}/api/v1/summary`);
    const { status, as_of } = (await answer.json()) as {
      status: { online: number; offline: number };
      as_of: { time: string };
    };
    return { ...status, time: as_of.time };
  };
  const first = await waitFor(async () => {
    const { online, time } = await summary();
    return online === RUNNERS.length && time;
  });
  // The API only estimates the server's clock: the moment must be clear of the last heartbeat.
  allOnlineAt = await waitFor(async () => {
    const { time } = await summary();
    return Date.parse(time) > Date.parse(first) + CLEAR_MS && time;
  });
  parts.tell(ENDED, "process_exited", {
    ...processOf(ENDED),
    exit_code: 3,
    signal: null,
    ran_sec: 2,
    stderr: ["no such tap"],
  });
  await waitFor(async () => (await summary()).offline === 1);
}, BROWSER_MS);

afterAll(async () => {
  await browser?.close();
  await parts?.close();
});

const faults: string[] = [];

afterEach(async () => {
  await Promise.all(browser.contexts().map(async (context) => await context.close()));
  if (faults.length > 0) throw new Error(`the page failed: ${faults.splice(0).join("; ")}`);
});

async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const page = await context.newPage();
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("console", (message) => {
    const text = message.text();
    // The browser writes refused connections and answers down by itself.
    if (message.type() === "error" && !text.startsWith("Failed to load resource"))
      faults.push(text);
  });
  await page.goto(parts.url + path);
  return page;
}

/** The names in the table, from the top. */
async function shownRunners(page: Page): Promise<string[]> {
  return await page.locator("[role=row] .c-runner a").allTextContents();
}

async function untilShown(page: Page, wanted: readonly string[]): Promise<void> {
  await waitFor(async () => String(await shownRunners(page)) === String(wanted), {
    what: `the rows ${wanted.join(", ")}`,
  }).catch(async () => expect(await shownRunners(page)).toEqual(wanted));
}

async function untilText(page: Page, place: string, wanted: string): Promise<void> {
  const text = async () => (await page.locator(place).textContent()) ?? "";
  await waitFor(async () => (await text()).includes(wanted), { what: `${wanted} in ${place}` });
}

const WORST_FIRST = [
  ENDED,
  "worker/gpu-0/default",
  "camera/back-yard/hd",
  "camera/front-door/hd",
  "service/api/main",
];

describe("the fleet's page", () => {
  it("shows every runner, worst first, with a sign and a word for its status", async () => {
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    const first = page.locator("[role=row]").nth(1);
    expect(await first.locator(".c-status").textContent()).toMatch(/✖.* offline/);
    // Counts and the mark of the connection come after the rows.
    await untilText(page, ".count.s-offline b", "1");
    await untilText(page, ".count.s-stale b", "0");
    await untilText(page, ".freshness", "live");
  });

  it("filters by search, count and kind, and keeps all that in the address", async () => {
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    await page.keyboard.press("/");
    await page.keyboard.type("memory gpu");
    await untilShown(page, ["worker/gpu-0/default"]);
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.locator(".count.s-online").click();
    await page.getByRole("button", { name: /^camera/ }).click();
    await page.getByLabel("Sort").selectOption("runner");
    const cameras = ["camera/back-yard/hd", "camera/front-door/hd"];
    await untilShown(page, cameras);
    const { pathname, search } = new URL(page.url());
    expect(pathname + search).toBe("/?status=online&kind=camera&sort=runner");
    const colleague = await open(pathname + search);
    await untilShown(colleague, cameras);
    await page.goBack();
    await untilShown(page, cameras);
    await page.goBack();
    await waitFor(async () => (await shownRunners(page)).length === 4);
  });

  it("puts runners into groups with counts", async () => {
    const page = await open("/?group=kind");
    await waitFor(async () => (await page.locator(".row.group").count()) === 4);
    const [first] = await page.locator(".row.group").allTextContents();
    expect(first).toMatch(/^process 1 .*1 offline/);
  });

  it("is worked with keys alone", async () => {
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    const active = page.locator(".row.active .c-runner a");
    await waitFor(async () => (await active.textContent()) === "worker/gpu-0/default");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/runners/worker/gpu-0/default");
    await page.keyboard.press("4");
    await page.waitForURL("**/pipeline");
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").isVisible()).toBe(true);
  });
});

describe("a page that stays open", () => {
  it("shows a heartbeat as it comes, and a runner that is new", async () => {
    const page = await open("/?q=camera");
    await waitFor(async () => (await shownRunners(page)).length === 2);
    parts.beat("camera/front-door/hd", { fps: 7.5 });
    await page.getByText("7.5 fps").waitFor();
    parts.beat("camera/new/hd", { fps: 1 });
    await waitFor(async () => (await shownRunners(page)).includes("camera/new/hd"));
    parts.tell("camera/new/hd", "runner_retired", {});
    await waitFor(async () => (await shownRunners(page)).length === 2);
  });

  it("says that its data is old while the API is away, and goes on when it is back", async () => {
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    await parts.stopApi();
    await page.getByText("Old data:").waitFor();
    expect(await page.locator("html.is-stale").count()).toBe(1);
    expect(await page.locator(".freshness").textContent()).toContain("reconnecting");
    await untilShown(page, WORST_FIRST);
    await parts.startApi();
    await page.getByText("Old data:").waitFor({ state: "detached" });
    parts.beat("camera/front-door/hd", { fps: 3.25 });
    await page.getByText("3.25 fps").waitFor();
  });
});

describe("the other pages", () => {
  it("tell everything of a runner, and why it is so", async () => {
    const page = await open(`/runners/${ENDED}`);
    await page.getByText("exited with code 3").first().waitFor();
    await page.getByText("Why, fact by fact").click();
    await page.getByText("Why this status").waitFor();
    await page.locator("section[aria-label=Timeline] li", { hasText: "process exited" }).waitFor();
    await page.locator("section[aria-label=Heartbeats] td").first().waitFor();
    const processes = page.locator("section[aria-label=Processes] td", { hasText: "exited" });
    await processes.waitFor();
    expect(await processes.count()).toBe(1);
  });

  it("draw the history of a camera", async () => {
    const page = await open("/runners/camera/front-door/hd");
    const graph = page.getByRole("img", { name: /^fps: from/ });
    await graph.waitFor();
    expect(await graph.locator("canvas").count()).toBe(1);
  });

  it("list events, alerts, silences and the parts of the pipeline", async () => {
    const page = await open("/events");
    await page.locator(".events li", { hasText: ENDED }).first().waitFor();
    await page.getByRole("link", { name: "Alerts" }).click();
    await page.getByText("Nothing is silenced.").waitFor();
    await page.getByRole("link", { name: "Pipeline" }).click();
    await page.getByRole("row", { name: /^latest_heartbeat/ }).waitFor();
    await page.getByRole("row", { name: /^nats connection ✓ well/ }).waitFor();
    expect(await page.getByRole("row", { name: /^timeline/ }).count()).toBe(1);
  });
});

describe("a moment of the past", () => {
  it("is what the whole page is of, under a banner, until one goes back", async () => {
    const page = await open(`/?at=${allOnlineAt}`);
    await page.getByText("PAST").waitFor();
    await waitFor(
      async () => (await page.locator(".count.s-online b").textContent()) === "5",
    ).catch(async () => expect(await page.locator(".page").innerText()).toBe("five online"));
    expect(await page.locator(".count.s-offline b").textContent()).toBe("0");
    await page.getByRole("link", { name: ENDED }).click();
    await page.locator("h1", { hasText: "online" }).waitFor();
    expect(new URL(page.url()).searchParams.get("at")).toBe(allOnlineAt);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.locator("h1", { hasText: "offline" }).waitFor();
  });

  it("is found by the change before and the change after", async () => {
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    await page.getByRole("button", { name: "Time", exact: true }).click();
    await page.getByRole("button", { name: /Previous change/ }).click();
    await page.getByText("PAST").waitFor();
    const before = new URL(page.url()).searchParams.get("at") ?? "";
    await page.getByRole("button", { name: /Previous change/ }).click();
    await waitFor(() => (new URL(page.url()).searchParams.get("at") ?? "") < before);
    await page.getByRole("button", { name: /Next change/ }).click();
    await waitFor(() => new URL(page.url()).searchParams.get("at") === before);
  });

  it("moves on by itself when it is played", async () => {
    const page = await open(`/?at=${allOnlineAt}`);
    await waitFor(async () => (await page.locator(".count.s-online b").textContent()) === "5");
    await page.getByRole("button", { name: "▶ ×1", exact: true }).click();
    await waitFor(() => (new URL(page.url()).searchParams.get("at") ?? allOnlineAt) > allOnlineAt);
  });

  it("that nobody knows is said to be unknown", async () => {
    const page = await open("/?at=2001-01-01T00:00:00.000Z");
    const trouble = page.locator(".banner.past .trouble");
    await trouble.waitFor();
    expect(await trouble.textContent()).not.toBe("");
  });
});

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** The page's own policy would let no script in: it is bypassed for this. */
async function violations(page: Page): Promise<unknown[]> {
  await page.addScriptTag({ content: axe.source });
  const found = (await page.evaluate(
    "axe.run().then(({ violations }) => violations)",
  )) as Violation[];
  return found.map(({ id, nodes }) => [id, nodes[0]?.html, nodes[0]?.failureSummary]);
}

describe("for everybody", () => {
  const looks = [
    ["light, on a desk", { colorScheme: "light" }],
    ["dark, on a phone", { colorScheme: "dark", viewport: { width: 390, height: 800 } }],
  ] as const;

  it.each(looks)("axe finds nothing wrong: %s", async (_name, look) => {
    const paths = ["/?group=kind", `/runners/${ENDED}`, "/events", "/alerts", "/pipeline"];
    const page = await open("/", { ...look, bypassCSP: true });
    for (const path of [...paths, `/?at=${allOnlineAt}`]) {
      await page.goto(parts.url + path);
      await page.getByText("live").first().waitFor();
      expect({ path, found: await violations(page) }).toEqual({ path, found: [] });
    }
  });

  it("a phone's width needs no scrolling sideways", async () => {
    const page = await open("/", { viewport: { width: 360, height: 740 } });
    for (const path of ["/", `/runners/${ENDED}`, "/pipeline", "/events"]) {
      await page.goto(parts.url + path);
      await page.getByText("live").first().waitFor();
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect({ path, width }).toEqual({ path, width: 360 });
    }
  });

  it("light and dark follow the system until one chooses", async () => {
    const background = "getComputedStyle(document.body).backgroundColor";
    const page = await open("/", { colorScheme: "dark" });
    await page.getByText("live").first().waitFor();
    const dark = await page.evaluate(background);
    await page.getByRole("button", { name: /^Colours: auto/ }).click();
    expect(await page.evaluate(background)).not.toBe(dark);
    await page.reload();
    await page.getByRole("button", { name: /^Colours: light/ }).click();
    expect(await page.evaluate(background)).toBe(dark);
  });
});
