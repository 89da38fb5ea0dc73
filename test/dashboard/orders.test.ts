import axe from "axe-core";
import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { alertBody } from "../../lib/core/alert.ts";
import { waitFor } from "../support/wait-for.ts";
import { pageRig } from "./page-rig.ts";

const KEY = "operate-1";
/** An enforcer ends and starts processes, beside a browser on a busy machine. */
const TEST_MS = 60_000;
/** Two that an enforcer runs, and one that nobody does. */
const A = "process/a/default";
const B = "process/b/default";
const FOREIGN = "camera/front-door/hd";
const SLEEP = `{ command: [sleep, "1000"] }`;

const rig = pageRig({
  env: { RUNBEAT_OPERATE_KEY: KEY },
  fleet: `runners: { ${A}: ${SLEEP}, ${B}: ${SLEEP} }`,
});

async function openRunner(runner: string, options = {}): Promise<Page> {
  const page = await rig().open(`/runners/${runner}`, options);
  await page.locator("h1", { hasText: "online" }).waitFor();
  return page;
}

/** Presses a button and gives the dialog that it opens. */
async function ask(page: Page, name: string): Promise<Locator> {
  await page.getByRole("button", { name, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Your name").waitFor();
  return dialog;
}

/** Gives the key, which is kept from then on, and does what the dialog asks. */
async function confirm(dialog: Locator, word: string, key?: string): Promise<void> {
  if (key !== undefined) await dialog.getByLabel("Operate key").fill(key);
  await dialog.getByRole("button", { name: word, exact: true }).click();
}

async function itemOf(runner: string): Promise<{ paused: boolean; process: { pid: number } }> {
  const answer = await fetch(`${rig().parts.url}/api/v1/runners/${runner}`);
  return (await answer.json()) as { paused: boolean; process: { pid: number } };
}

describe("orders on a runner's page", { timeout: TEST_MS }, () => {
  it("say what they will do, ask for the key once, and tell what was done", async () => {
    const page = await openRunner(A);
    const before = (await itemOf(A)).process.pid;
    const first = await ask(page, "Restart");
    await first.getByText("The process is ended and started again at once").waitFor();
    await first.getByLabel("Reason").fill("new wheels");
    await first.getByLabel("Your name").fill("ada");
    await confirm(first, "Restart", "wrong");
    await first.getByText("This is not the operate key").waitFor();
    await confirm(first, "Restart", KEY);
    await first.getByText(`${A} is being restarted`).waitFor();
    await page.keyboard.press("Escape");
    await first.waitFor({ state: "detached" });
    await waitFor(async () => (await itemOf(A)).process.pid !== before, { what: "a new process" });
    const told = page.locator("section[aria-label=Timeline] li", { hasText: "restart requested" });
    await told.getByText("by ada via api@").waitFor();

    const second = await ask(page, "Pause");
    expect(await second.getByLabel("Operate key").count()).toBe(0);
    await confirm(second, "Pause");
    await second.getByText(`${A} is left alone until it is resumed`).waitFor();
    await second.getByRole("button", { name: "Close" }).click();
    await page.locator("h1 .flag", { hasText: "paused" }).waitFor();
    await confirm(await ask(page, "Resume"), "Resume");
    await waitFor(async () => !(await itemOf(A)).paused, { what: "it is resumed" });
  });

  it("are not offered for what nobody runs, nor in the past", async () => {
    const page = await openRunner(FOREIGN);
    await page.getByText("No enforcer has it").waitFor();
    expect(await page.getByRole("button", { name: "Restart" }).count()).toBe(0);
    await page.goto(`${rig().parts.url}/runners/${A}?at=${new Date().toISOString()}`);
    await page.getByText("PAST").waitFor();
    await page.locator("section[aria-label=Timeline]").waitFor();
    expect(await page.getByRole("group", { name: "Orders" }).count()).toBe(0);
  });
});

describe("orders for the rows that are selected", { timeout: TEST_MS }, () => {
  it("go to those that can take them, chosen with keys alone", async () => {
    const page = await rig().open("/?sort=runner");
    await page.getByRole("link", { name: A }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    for (const runner of [FOREIGN, A, B]) {
      const active = page.locator(".row.active .c-runner a");
      for (let steps = 0; (await active.textContent()) !== runner && steps < 20; steps++)
        await page.keyboard.press("ArrowDown");
      await page.keyboard.press("x");
    }
    const bar = page.getByRole("group", { name: "With the selected runners" });
    await bar.getByText("3 selected").waitFor();
    const dialog = await ask(page, "Pause");
    await dialog.getByRole("heading", { name: "Pause 2 runners?" }).waitFor();
    await dialog.getByText("1 of the 3 have no enforcer").waitFor();
    await confirm(dialog, "Pause", KEY);
    await dialog.getByText("2 of 2 were done.").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    await waitFor(async () => (await itemOf(A)).paused && (await itemOf(B)).paused);
    await confirm(await ask(page, "Resume"), "Resume");
    await page.getByText("2 of 2 were done.").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await bar.getByRole("button", { name: "Select none" }).click();
    await bar.waitFor({ state: "detached" });
  });
});

describe("silences on the page", { timeout: TEST_MS }, () => {
  it("of an alert are made there, shown with the time that is left, and lifted", async () => {
    const { parts } = rig();
    const now = Date.now();
    const member = { name: B, since: now, detail: "no heartbeat", silenced: false };
    const alert = {
      id: "runner_offline-1-a",
      type: "runner_offline",
      severity: "critical",
      action: "raised",
      revision: 1,
      notify: true,
      group: "edge-1",
      title: "A test is offline",
      openedAt: now,
      resolvedAt: null,
      members: [member],
      memberCount: 1,
    } as const;
    const body = JSON.stringify(alertBody(alert, "test", now));
    parts.nc.publish("runbeat.alert.critical.runner_offline", body);
    const page = await rig().open("/alerts");
    const dialog = await ask(page, "Silence: A test is offline");
    await dialog.getByLabel("this alert").waitFor();
    await dialog.getByLabel(B).check();
    await dialog.getByText("That covers 1 of").waitFor();
    await dialog.getByLabel("How long").selectOption("8 hours");
    await dialog.getByLabel("Reason").fill("works");
    await confirm(dialog, "Silence", KEY);
    await dialog.getByText(`${B}: done`).waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    const line = page.locator(".silences li", { hasText: B });
    await line.getByText(/for another 7h 59m/).waitFor();
    expect(await line.textContent()).toContain("works (api@");
    const card = page.getByRole("region", { name: "A test is offline" });
    await card.getByText("silenced").waitFor();
    expect(await card.getByRole("button", { name: /^Silence/ }).count()).toBe(0);

    await page.goto(`${parts.url}/runners/${B}`);
    await page.getByRole("note", { name: "Silenced" }).waitFor();
    await confirm(await ask(page, `Lift the silence of ${B}`), "Lift");
    await page.getByText(`the silence of ${B}: done`).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("note", { name: "Silenced" }).waitFor({ state: "detached" });
  });

  it("of a pattern may begin later, and say what is wrong with it", async () => {
    const page = await rig().open("/alerts");
    const dialog = await ask(page, "New silence");
    await dialog.getByLabel("Pattern").fill("lens");
    await confirm(dialog, "Silence", KEY);
    await dialog.getByText(/"lens" is no pattern of runners/).waitFor();
    await dialog.getByLabel("Pattern").fill("camera");
    await dialog.getByText("That covers 2 of").waitFor();
    await dialog.getByLabel("It begins later").check();
    await dialog.getByLabel("Begins, in UTC").fill("2099-01-31T22:00");
    await confirm(dialog, "Silence");
    await dialog.getByText("camera: done").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    const line = page.locator(".silences li", { hasText: "planned from 2099-01-31" });
    await line.waitFor();
    expect(await line.textContent()).toMatch(/^camera .*begins in \d+d/);
  });
});

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

async function violations(page: Page): Promise<unknown[]> {
  await page.addScriptTag({ content: axe.source });
  const found = (await page.evaluate(
    "axe.run().then(({ violations }) => violations)",
  )) as Violation[];
  return found.map(({ id, nodes }) => [id, nodes[0]?.html]);
}

describe("dialogs for everybody", { timeout: TEST_MS }, () => {
  const looks = [
    ["light, on a desk", { colorScheme: "light" }],
    ["dark, on a phone", { colorScheme: "dark", viewport: { width: 360, height: 740 } }],
  ] as const;

  it.each(looks)("axe finds nothing wrong, nothing is too wide: %s", async (_name, look) => {
    const page = await openRunner(A, { ...look, bypassCSP: true });
    for (const name of ["Restart", "Silence"]) {
      const dialog = await ask(page, name);
      expect({ name, found: await violations(page) }).toEqual({ name, found: [] });
      const sideways = await dialog.evaluate((box) => box.scrollWidth - box.clientWidth);
      expect({ name, sideways }).toEqual({ name, sideways: 0 });
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await dialog.waitFor({ state: "detached" });
    }
    const focused = await page.evaluate("document.activeElement.textContent");
    expect(focused).toBe("Silence");
  });
});
