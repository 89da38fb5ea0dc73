import { describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { ENDED, pageRig, untilShown, WORST_FIRST } from "./page-rig.ts";

const rig = pageRig();

describe("a moment of the past", () => {
  it("is what the whole page is of, under a banner, until one goes back", async () => {
    const page = await rig().open(`/?at=${rig().allOnlineAt}`);
    await page.getByText("PAST").waitFor();
    await waitFor(
      async () => (await page.locator(".count.s-online b").textContent()) === "5",
    ).catch(async () => expect(await page.locator(".page").innerText()).toBe("five online"));
    expect(await page.locator(".count.s-offline b").textContent()).toBe("0");
    expect(await page.locator(".freshness").textContent()).toContain("as it was");
    await page.getByRole("link", { name: ENDED }).click();
    await page.locator("h1", { hasText: "online" }).waitFor();
    expect(new URL(page.url()).searchParams.get("at")).toBe(rig().allOnlineAt);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.locator("h1", { hasText: "offline" }).waitFor();
  });

  it("is found by the change before and the change after", async () => {
    // Two changes, whatever a sentinel that started late has told.
    rig().parts.tell("camera/front-door/hd", "camera_online", {});
    await waitFor(async () => {
      const answer = await fetch(`${rig().parts.url}/api/v1/timeline?limit=2`);
      return ((await answer.json()) as { items: unknown[] }).items.length === 2;
    });
    const page = await rig().open("/");
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
    const page = await rig().open(`/?at=${rig().allOnlineAt}`);
    await waitFor(async () => (await page.locator(".count.s-online b").textContent()) === "5");
    await page.getByRole("button", { name: "▶ ×1", exact: true }).click();
    await waitFor(
      () => (new URL(page.url()).searchParams.get("at") ?? rig().allOnlineAt) > rig().allOnlineAt,
    );
  });

  it("that nobody knows is said to be unknown", async () => {
    const page = await rig().open("/?at=2001-01-01T00:00:00.000Z");
    const trouble = page.locator(".banner.past .trouble");
    await trouble.waitFor();
    expect(await trouble.textContent()).not.toBe("");
  });
});
