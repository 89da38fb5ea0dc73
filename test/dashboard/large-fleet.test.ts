import { expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { pageRig, shownRunners, untilText } from "./page-rig.ts";

const CAMERAS = 10_000;
const ALL = CAMERAS + 5;
/** A screen of rows, and some beyond its edges. */
const MOST_ROWS = 60;
const CLEAR_MS = 250;

const rig = pageRig();

function camera(number: number): string {
  return `camera/cam${String(number).padStart(5, "0")}/hd`;
}

it("of 10,000 runners only those in sight are in the page, and they are the newest", async () => {
  const { parts, open } = rig();
  for (let number = 0; number < CAMERAS; number++) parts.beat(camera(number), { fps: 25 });
  const page = await open("/?sort=runner");
  await untilText(page, ".shown", `${ALL} of ${ALL} runners`);
  const last = camera(CAMERAS - 1);
  expect(await shownRunners(page)).toContain(camera(0));
  expect((await shownRunners(page)).length).toBeLessThan(MOST_ROWS);
  expect(await page.getByRole("grid").getAttribute("aria-rowcount")).toBe(String(ALL + 1));

  await page.evaluate("document.querySelector('.table').scrollTop = 1e9");
  await waitFor(async () => (await shownRunners(page)).includes(last));
  const atEnd = await shownRunners(page);
  expect(atEnd.length).toBeLessThan(MOST_ROWS);
  expect(atEnd).not.toContain(camera(0));
  expect(atEnd).toEqual(atEnd.toSorted());

  parts.beat(last, { fps: 3.5 });
  await page.locator("[role=row]", { hasText: last }).getByText("3.5 fps").waitFor();
  await page.getByRole("grid").focus();
  await page.keyboard.press("Home");
  await waitFor(async () => (await shownRunners(page)).includes(camera(0)));
  await page.getByRole("searchbox").fill("cam0997");
  await untilText(page, ".shown", `10 of ${ALL} runners`);
  expect(await shownRunners(page)).toEqual(
    Array.from({ length: 10 }, (_, index) => camera(9_970 + index)),
  );
}, 60_000);

it("a past moment of 10,000 runners is shown whole, its rows in sight only", async () => {
  const { parts, open } = rig();
  // By the test before, all of them have beaten; the API only estimates the server's clock.
  const at = await waitFor(async () => {
    const answer = await fetch(`${parts.url}/api/v1/runners?limit=1&sort=-last_heartbeat_at`);
    const { items, as_of } = (await answer.json()) as {
      items: { last_heartbeat_at: string }[];
      as_of: { time: string };
    };
    const newest = Date.parse(items[0]?.last_heartbeat_at ?? "");
    return Date.parse(as_of.time) > newest + CLEAR_MS && as_of.time;
  });
  const page = await open(`/?at=${at}`);
  await untilText(page, ".shown", `${ALL} of ${ALL} runners`);
  expect((await shownRunners(page)).length).toBeLessThan(MOST_ROWS);
  await page.getByText("PAST").waitFor();
  expect(await page.locator(".count.s-online b").textContent()).toBe(String(ALL - 1));
}, 60_000);
