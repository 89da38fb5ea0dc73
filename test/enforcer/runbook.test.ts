/**
 * The three tests of the runbook that this supervisor's rules come from, with names mapped: kill a
 * service, force repeated failures, and kill one of the deny list. Delays are 0.2, 0.4 and 0.8 s.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { openHost, spawnedPid } from "./enforcer-process.ts";
import type { Host } from "./enforcer-process.ts";

const SHARD = "service/game-shard/1";
const REDIS = "service/redis/main";
const WAIT = { timeoutMs: 60_000 };
const TEST_MS = 120_000;

const FLEET = `
restart_deny: ["service/redis/*"]
runners:
  ${SHARD}: { command: [sh, -c, "test -e crash && exit 3; exec sleep 1000"] }
  ${REDIS}: { command: [sleep, "1000"] }
`;

/** Log lines of the enforcer about a runner, the words of each. */
function said(output: string, word: string): string[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith("{") && line.includes(word))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
}

async function untilOnline(host: Host): Promise<void> {
  await waitFor(() => {
    const file = readFileSync(join(host.folder, "data", "enforcer-state.json"), "utf8");
    const { memory } = JSON.parse(file) as { memory: Memory };
    const isReady = memory.at > memory.graceUntil;
    return isReady && Object.values(memory.runners).every(({ hasBeaten }) => hasBeaten);
  }, WAIT);
}

interface Memory {
  readonly at: number;
  readonly graceUntil: number;
  readonly runners: Record<string, { hasBeaten: boolean }>;
}

describe("the runbook", { timeout: TEST_MS }, () => {
  it("test 1: a service that falls silent is restarted after three misses, attempt 1/3, and is well", async () => {
    const host = await openHost(FLEET);
    const enforcer = host.start();
    const pid = await spawnedPid(host, SHARD);
    await untilOnline(host);
    process.kill(pid, "SIGSTOP");
    const next = await spawnedPid(host, SHARD, 2);
    expect(isProcessAlive(pid)).toBe(false);
    expect(isProcessAlive(next)).toBe(true);
    await waitFor(() => enforcer.output().includes(`Successfully restarted ${SHARD}`), WAIT);
    const words = said(enforcer.output(), SHARD).join("\n");
    expect(words).toMatch(
      new RegExp(
        [
          `${SHARD} missing heartbeat \\(1 consecutive miss\\)`,
          `${SHARD} missing heartbeat \\(2 consecutive misses\\)`,
          `${SHARD} missing heartbeat \\(3 consecutive misses\\)`,
          `restart of ${SHARD} in 0.2 s \\(attempt 1/3\\)`,
          `Attempting restart of ${SHARD} \\(attempt 1/3\\)`,
          `Successfully restarted ${SHARD}`,
        ].join("(.|\\n)*"),
      ),
    );
    expect(host.types(SHARD)).toEqual([
      "process_spawned",
      "restart_scheduled",
      "process_stopping",
      "process_exited",
      "process_spawned",
    ]);
    expect(host.of(SHARD, "restart_scheduled")[0]?.event.data).toEqual({
      attempt: 1,
      delay_sec: 0.2,
      reason: "missing heartbeat (3 consecutive misses)",
    });
  });

  it("test 1, by a kill: a service that is killed is restarted at once, attempt 1/3", async () => {
    const host = await openHost(FLEET);
    host.start();
    process.kill(await spawnedPid(host, SHARD), "SIGKILL");
    await spawnedPid(host, SHARD, 2);
    expect(host.of(SHARD, "restart_scheduled").map(({ event }) => event.data)).toEqual([
      { attempt: 1, delay_sec: 0.2, reason: "SIGKILL" },
    ]);
  });

  it("test 2: one that fails again and again is given up after three attempts, and a reset begins anew", async () => {
    const host = await openHost(FLEET);
    const enforcer = host.start();
    const pid = await spawnedPid(host, SHARD);
    const crash = join(host.folder, "crash");
    writeFileSync(crash, "invalid");
    process.kill(pid, "SIGKILL");
    await waitFor(() => host.types(SHARD).includes("restart_exhausted"), WAIT);
    const scheduled = host.of(SHARD, "restart_scheduled");
    expect(scheduled.map(({ event }) => event.data["attempt"])).toEqual([1, 2, 3]);
    expect(scheduled.map(({ event }) => event.data["delay_sec"])).toEqual([0.2, 0.4, 0.8]);
    const spawned = host.of(SHARD, "process_spawned");
    for (const [index, { event }] of scheduled.entries()) {
      const waitedMs = (spawned[index + 1]?.event.at ?? 0) - (event.at ?? 0);
      expect(waitedMs).toBeGreaterThanOrEqual(Number(event.data["delay_sec"]) * 1000 - 20);
    }
    const [exhausted] = host.of(SHARD, "restart_exhausted");
    const until = Date.parse(String(exhausted?.event.data["cooldown_until"]));
    expect(Math.abs(until - (exhausted?.event.at ?? 0) - 600_000)).toBeLessThan(2_000);
    await waitFor(() =>
      said(enforcer.output(), SHARD).some((line) =>
        line.includes("exhausted restart attempts (3/3)"),
      ),
    );

    rmSync(crash);
    const reset = await host.run("runner", "reset", SHARD, "--json");
    expect(JSON.parse(reset.stdout)).toMatchObject({ ok: true, runner: SHARD, order: "reset" });
    const next = await spawnedPid(host, SHARD, 5);
    expect(isProcessAlive(next)).toBe(true);
    expect(host.types(SHARD).slice(-2)).toEqual(["restart_reset", "process_spawned"]);
  });

  it("test 3: one of the deny list is only told of, once, whether it ends or falls silent", async () => {
    const host = await openHost(FLEET);
    const enforcer = host.start();
    const pid = await spawnedPid(host, REDIS);
    await untilOnline(host);
    process.kill(pid, "SIGSTOP");
    await waitFor(() => host.types(REDIS).includes("restart_denied"), WAIT);
    expect(isProcessAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
    await waitFor(() => host.types(REDIS).includes("process_exited"), WAIT);
    // Another runner's life shows that the enforcer has looked since.
    process.kill(await spawnedPid(host, SHARD), "SIGKILL");
    await spawnedPid(host, SHARD, 2);
    expect(host.types(REDIS)).toEqual(["process_spawned", "restart_denied", "process_exited"]);
    expect(host.of(REDIS, "restart_denied")[0]?.event.data["why"]).toMatch(
      /^unhealthy but in deny list/,
    );
    expect(said(enforcer.output(), REDIS)).toContainEqual(
      expect.stringMatching(/is unhealthy but in deny list .* - alerting only$/),
    );
  });
});
