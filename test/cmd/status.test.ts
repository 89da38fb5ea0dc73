import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import type { Outcome } from "./command-line.ts";
import { startUp, untilGone } from "./running-up.ts";
import type { RunningUp } from "./running-up.ts";

const KEY = "read-me";

interface Answer {
  readonly items: readonly { runner: string; status: string; kind: string }[];
  readonly summary: { total: number; status: Record<string, number> };
  readonly as_of: { seq: number; time: string; lag_ms: number | null };
}

function twoCommands(): string {
  const file = join(makeTempDir("fleet"), "fleet.yaml");
  writeFileSync(
    file,
    "runners:\n" +
      "  process/steady/default: { command: [sleep, '1000'] }\n" +
      "  service/vpn/main: { external: true }\n",
  );
  return file;
}

async function beside(up: RunningUp, ...args: string[]): Promise<Outcome> {
  return await runCommand(["status", ...args], { cwd: up.folder, env: up.environment() });
}

async function json(up: RunningUp, ...args: string[]): Promise<Answer> {
  const { code, stdout } = await beside(up, "--json", ...args);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Answer;
}

describe("runbeat status", { timeout: 120_000 }, () => {
  it("shows what the API knows, and what the database knows once that is gone", async () => {
    const up = startUp({
      env: {
        RUNBEAT_FLEET: twoCommands(),
        RUNBEAT_READ_KEY: KEY,
        START_GRACE_SEC: "1",
      },
    });
    const { apiUrl } = await up.record();
    const enforcer = `service/enforcer/${hostname().replaceAll(/[^A-Za-z0-9_-]/g, "-")}`;
    const answer = await waitFor(
      async () => {
        const found = await json(up);
        const { online, offline } = found.summary.status;
        return online === 2 && offline === 1 && found;
      },
      { timeoutMs: 30_000, what: "a runner and the enforcer online, and one never seen" },
    );
    expect(answer.items[0]).toMatchObject({ runner: "service/vpn/main", status: "offline" });
    const online = answer.items.slice(1).map(({ runner, status }) => `${runner} ${status}`);
    expect(online.toSorted()).toEqual(["process/steady/default online", `${enforcer} online`]);
    expect(answer.summary).toMatchObject({ total: 3, status: { stale: 0, unknown: 0 } });
    expect(Date.parse(answer.as_of.time)).toBeGreaterThan(0);

    expect((await json(up, "--status", "online")).items).toHaveLength(2);
    expect((await json(up, "--kind", "service,worker")).items).toMatchObject([
      { runner: "service/vpn/main" },
      { runner: enforcer },
    ]);
    expect((await json(up, "-q", "STEADY")).items).toMatchObject([
      { runner: "process/steady/default" },
    ]);
    expect((await json(up, "--health", "unhealthy,degraded")).items).toEqual([]);
    expect((await json(up, "--label", "backend:cuda")).items).toEqual([]);
    expect((await json(up, "--host", "nowhere")).items).toEqual([]);
    expect((await beside(up, "--host", "nowhere")).stdout).toContain(
      "No runner matches host=nowhere.",
    );
    expect((await beside(up)).stdout).toMatch(/^service\/vpn\/main +✖ offline .* never seen$/m);

    const wrong = await beside(up, "--status", "broken");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/status.*broken/);
    const refused = await runCommand(["status", "--url", apiUrl], { cwd: up.folder });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("set RUNBEAT_READ_KEY");

    up.child.kill("SIGINT");
    await untilGone(up);
    const offline = await beside(up);
    expect(offline.code).toBe(0);
    expect(offline.stderr).toMatch(/^Nothing answers at .*: reading .*runbeat\.db instead\.$/m);
    expect(offline.stdout).toMatch(/^process\/steady\/default +✖ offline .* killed by SIGTERM/m);
    const missing = await beside(up, "--url", apiUrl);
    expect(missing.code).toBe(1);
  });

  it("says what to do where there is neither API nor database", async () => {
    const cwd = makeTempDir("status");
    const { code, stdout, stderr } = await runCommand(["status"], {
      cwd,
      env: { RUNBEAT_HTTP_PORT: "9" },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^runbeat: Nothing answers at .*:9 .* start Runbeat with runbeat up/),
    ]);
  });

  it("takes nothing else for the API", async () => {
    const other = createServer((_request, response) => response.end("<html>hello</html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await runCommand(["status", "--url", url], { cwd: makeTempDir("s") });
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`What answers at ${url} is not Runbeat's API`);
  });
});
