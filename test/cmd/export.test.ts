import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readUpRecord } from "../../cmd/up-record.ts";
import { checkExport } from "../../lib/operator/export-reader.ts";
import { writeRecordedDay } from "../support/recorded-day.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import { startUp, untilGone } from "./running-up.ts";
import { openBrowser } from "../dashboard/browser.ts";
import { ageText } from "../../lib/dashboard/text.ts";

const FROM = Date.UTC(2026, 0, 5);
const DAY = { seed: 9, runners: 25, fromMs: FROM, durationMs: 600_000, trouble: 10 };
const END = new Date(FROM + DAY.durationMs).toISOString();
const dir = makeTempDir("export-command");
const file = join(dir, "day.ndjson.gz");

async function get(url: string): Promise<Record<string, unknown>> {
  return (await (await fetch(url)).json()) as Record<string, unknown>;
}

test("an export opens with one command, as it stood then, and can be exported again", async () => {
  await writeRecordedDay(file, DAY);
  const { id, end } = await checkExport(file);
  const up = startUp({ args: ["--from-export", file] });
  await waitFor(() => up.output().includes("PAST: an export"), { timeoutMs: 60_000 });
  const dataDir = join(up.dataDir, "exports", id);
  const { apiUrl = "" } = readUpRecord({ dataDir }) ?? {};
  const summary = await get(`${apiUrl}/api/v1/summary`);
  expect(summary).toMatchObject({
    total: DAY.runners,
    as_of: { time: END, is_past: true },
    status: { unknown: 0 },
  });
  expect(summary["status"]).not.toMatchObject({ online: 0 });
  const health = await get(`${apiUrl}/healthz`);
  expect(health).toMatchObject({
    status: "pass",
    checks: { "pipeline:clock": [{ observedValue: END }] },
  });
  await untilPageIsPast(apiUrl);
  const options = { cwd: dir, env: up.environment() };
  const at = ["--data-dir", dataDir];
  await expectNoOrders(apiUrl, async (...args) => await runCommand([...args, ...at], options));
  const status = await runCommand(["status", ...at], options);
  expect(status.stdout).toContain(`PAST as it was at ${END}`);
  const top = await runCommand(["top", "-o", "json", ...at], options);
  expect(JSON.parse(top.stdout)).toMatchObject({ as_of: { time: END, is_past: true } });
  const diff = await runCommand(["diff", "--from", "-9m59s", ...at], options);
  expect(diff.stderr).toBe("");
  const state = await runCommand(["state", "--at", "-5m", ...at], options);
  expect(state.stdout).toContain(`as it was at ${new Date(FROM + 300_000).toISOString()}`);
  // Several at once: each has its own answer.
  const moments = [1, 3, 5, 7].map((minutes) => new Date(FROM + minutes * 60_000).toISOString());
  const asked = moments.map(async (time) => await get(`${apiUrl}/api/v1/summary?at=${time}`));
  const answers = await Promise.all(asked);
  expect(answers).toMatchObject(moments.map((time) => ({ as_of: { time }, total: DAY.runners })));
  const positions = answers.map(({ as_of }) => (as_of as { seq: number }).seq);
  expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
  const early = await runCommand(["state", "--at", "-11m", ...at], options);
  expect(early.stderr).toContain("it is known what was from 2026-01-05T00:00:");
  const replayed = await runCommand(["replay", "--from", "-10s", "--json", ...at], options);
  const times = replayed.stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { time: string }).time);
  expect(times.length).toBeGreaterThan(10);
  expect(times.every((time) => time > new Date(FROM + 589_000).toISOString())).toBe(true);
  const verify = await runCommand(["verify", ...at], options);
  expect(verify).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("0 differences in") as string,
  });
  const again = join(dir, "again.ndjson.gz");
  const exported = await runCommand(["export", "--out", again, "--json", ...at], options);
  expect(exported.stderr).toBe("");
  const { streams } = (await checkExport(again)).end;
  expect(streams).toEqual(end.streams);
  up.child.kill("SIGTERM");
  await untilGone(up);
}, 90_000);

/** What is past can't be changed, whichever way somebody tries. */
async function expectNoOrders(
  apiUrl: string,
  run: (...args: string[]) => ReturnType<typeof runCommand>,
): Promise<void> {
  const standing = await get(`${apiUrl}/api/v1/orders`);
  expect(standing).toMatchObject({
    accepted: false,
    why_not: expect.stringContaining(`an export as it stood at ${END}`) as string,
  });
  const orders = [run("alerts", "silence", "*", "--for", "1h"), run("runner", "retire", "c/d")];
  for (const { code, stderr } of await Promise.all(orders)) {
    expect(code).toBe(1);
    expect(stderr).toContain("An export is open here: nothing can be added to it");
  }
}

/** Nobody is to take the page of an export for the present: neither its words nor its ages. */
async function untilPageIsPast(apiUrl: string): Promise<void> {
  const browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(apiUrl);
  await page.locator(".banner.past", { hasText: END.slice(0, 19).replace("T", " ") }).waitFor();
  expect(await page.locator(".freshness").textContent()).toContain("stands still");
  expect(await page.getByRole("checkbox").count()).toBe(0);
  const { oldest_silence: oldest } = (await get(`${apiUrl}/api/v1/summary`)) as {
    oldest_silence: { last_heartbeat_at: string };
  };
  const age = ageText(Date.parse(END) - Date.parse(oldest.last_heartbeat_at));
  expect(await page.locator(".silence b").textContent()).toBe(age);
  await browser.close();
}

test("what is wrong is said in one line, before anything is written", async () => {
  const day = join(dir, "good.ndjson.gz");
  await writeRecordedDay(day, DAY);
  const cut = join(dir, "cut.ndjson.gz");
  writeFileSync(cut, readFileSync(day).subarray(0, 5_000));
  const run = async (...args: string[]) => await runCommand(args, { cwd: dir });
  const nowhere = ["--nats-url", "nats://127.0.0.1:1"];
  const cases: [Awaited<ReturnType<typeof run>>, number, string][] = [
    [await run("import", cut), 2, "is cut off"],
    [await run("import", "missing.gz"), 1, "there is no such file"],
    [await run("import"), 2, "Name the file"],
    [await run("up", "--from-export", cut), 2, "is cut off"],
    [await run("export"), 2, "--out"],
    [await run("export", "--out", day), 1, "is there already"],
    [await run("export", "--out", "x.gz", "--runner", "a b/c"), 2, "is no runner"],
    [await run("export", "--out", "x.gz", "--stream", "beats"), 2, "must be one of"],
    [await run("export", "--out", "x.gz", ...nowhere), 1, "127.0.0.1:1"],
  ];
  for (const [{ code, stderr }, wanted, text] of cases) {
    expect({ code, stderr }).toEqual({
      code: wanted,
      stderr: expect.stringContaining(text) as string,
    });
    expect(stderr.trim().split("\n")).toHaveLength(1);
  }
}, 60_000);
