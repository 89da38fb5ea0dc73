import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ENDED, pageRig } from "./page-rig.ts";

const rig = pageRig();

describe("the other pages", () => {
  it("tell everything of a runner, and why it is so", async () => {
    const page = await rig().open(`/runners/${ENDED}`);
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
    const page = await rig().open("/runners/camera/front-door/hd");
    const graph = page.getByRole("img", { name: /^fps: from/ });
    await graph.waitFor();
    expect(await graph.locator("canvas").count()).toBe(1);
  });

  it("list events, alerts, silences and the parts of the pipeline", async () => {
    const page = await rig().open("/events");
    await page.locator(".events li", { hasText: ENDED }).first().waitFor();
    await page.getByRole("link", { name: "Alerts" }).click();
    await page.getByText("Nothing is silenced.").waitFor();
    await page.getByRole("link", { name: "Pipeline" }).click();
    await page.getByRole("row", { name: /^latest_heartbeat/ }).waitFor();
    await page.getByRole("row", { name: /^nats connection ✓ well/ }).waitFor();
    expect(await page.getByRole("row", { name: /^timeline/ }).count()).toBe(1);
    const beats = page.getByRole("row", { name: /^RUNBEAT_HEARTBEATS/ });
    expect(await beats.textContent()).toMatch(/HEARTBEATS5.* of .*iB, 0%.* ago24 h/);
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
    const page = await rig().open("/", { ...look, bypassCSP: true });
    for (const path of [...paths, `/?at=${rig().allOnlineAt}`]) {
      await page.goto(rig().parts.url + path);
      await page
        .getByText(/live|as it was/)
        .first()
        .waitFor();
      expect({ path, found: await violations(page) }).toEqual({ path, found: [] });
    }
  });

  it("a phone's width needs no scrolling sideways", async () => {
    const page = await rig().open("/", { viewport: { width: 360, height: 740 } });
    for (const path of ["/", `/runners/${ENDED}`, "/pipeline", "/events"]) {
      await page.goto(rig().parts.url + path);
      await page.getByText("live").first().waitFor();
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect({ path, width }).toEqual({ path, width: 360 });
    }
  });

  it("light and dark follow the system until one chooses", async () => {
    const background = "getComputedStyle(document.body).backgroundColor";
    const page = await rig().open("/", { colorScheme: "dark" });
    await page.getByText("live").first().waitFor();
    const dark = String(await page.evaluate(background));
    // What was chosen is shown a moment after the click.
    await page.getByRole("button", { name: /^Colours: auto/ }).click();
    await page.waitForFunction(`${background} !== "${dark}"`);
    await page.reload();
    const light = page.getByRole("button", { name: /^Colours: light/ });
    await light.waitFor();
    expect(await page.evaluate(background)).not.toBe(dark);
    await light.click();
    await page.waitForFunction(`${background} === "${dark}"`);
  });
});
