import { describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { pageRig, shownRunners, untilShown, untilText, WORST_FIRST } from "./page-rig.ts";

const rig = pageRig();

describe("the fleet's page", () => {
  it("shows every runner, worst first, with a sign and a word for its status", async () => {
    const page = await rig().open("/");
    await untilShown(page, WORST_FIRST);
    const first = page.locator("[role=row]").nth(1);
    expect(await first.locator(".c-status").textContent()).toMatch(/✖.* offline/);
    // What it said of its health while it was heard must not look like a good sign.
    expect(await first.locator(".c-health .dim").textContent()).toContain("healthy");
    // Counts and the mark of the connection come after the rows.
    await untilText(page, ".count.s-offline b", "1");
    await untilText(page, ".count.s-stale b", "0");
    await untilText(page, ".freshness", "live");
  });

  it("filters by search, count and kind, and keeps all that in the address", async () => {
    const page = await rig().open("/");
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
    const colleague = await rig().open(pathname + search);
    await untilShown(colleague, cameras);
    await page.goBack();
    await untilShown(page, cameras);
    await page.goBack();
    await waitFor(async () => (await shownRunners(page)).length === 4);
  });

  it("narrows to hosts and labels, proposed as one types, and keeps them in the address", async () => {
    const { parts, open } = rig();
    parts.beat("camera/front-door/hd", {
      fps: 24.9,
      labels: { lens: "wide", place: "yard, north" },
    });
    const page = await open("/");
    await untilShown(page, WORST_FIRST);
    const field = page.getByLabel("Filter by host:name, or label key:value");
    await field.fill("host:edge-1");
    await page.getByRole("button", { name: "Remove the filter host:edge-1" }).waitFor();
    await untilShown(page, WORST_FIRST);
    await field.fill("lens:wide");
    await untilShown(page, ["camera/front-door/hd"]);
    await field.fill("place:yard, south");
    await field.press("Enter");
    await untilShown(page, []);
    await page.getByRole("button", { name: "Remove the filter place:yard, south" }).click();
    await untilShown(page, ["camera/front-door/hd"]);
    const { pathname, search } = new URL(page.url());
    expect(pathname + search).toBe("/?host=edge-1&label=lens:wide");
    await untilShown(await open(pathname + search), ["camera/front-door/hd"]);
    await page.getByRole("button", { name: "Clear filters" }).click();
    await untilShown(page, WORST_FIRST);
  });

  it("puts runners into groups with counts", async () => {
    const page = await rig().open("/?group=kind");
    await waitFor(async () => (await page.locator(".row.group").count()) === 4);
    const [first] = await page.locator(".row.group").allTextContents();
    expect(first).toMatch(/^process 1 .*1 offline/);
  });

  it("is worked with keys alone", async () => {
    const page = await rig().open("/");
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
    const page = await rig().open("/?q=camera");
    await waitFor(async () => (await shownRunners(page)).length === 2);
    rig().parts.beat("camera/front-door/hd", { fps: 7.5 });
    await page.getByText("7.5 fps").waitFor();
    rig().parts.beat("camera/new/hd", { fps: 1 });
    await waitFor(async () => (await shownRunners(page)).includes("camera/new/hd"));
    rig().parts.tell("camera/new/hd", "runner_retired", {});
    await waitFor(async () => (await shownRunners(page)).length === 2);
  });

  it("says that its data is old while the API is away, and goes on when it is back", async () => {
    const page = await rig().open("/");
    await untilShown(page, WORST_FIRST);
    await rig().parts.stopApi();
    await page.getByText("Old data:").waitFor();
    expect(await page.locator("html.is-stale").count()).toBe(1);
    expect(await page.locator(".freshness").textContent()).toContain("reconnecting");
    await untilShown(page, WORST_FIRST);
    await rig().parts.startApi();
    await page.getByText("Old data:").waitFor({ state: "detached" });
    rig().parts.beat("camera/front-door/hd", { fps: 3.25 });
    await page.getByText("3.25 fps").waitFor();
  });
});
