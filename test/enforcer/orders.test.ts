import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { whoAmI } from "../../cmd/operator.ts";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { openHost, spawnedPid } from "./enforcer-process.ts";
import type { Host } from "./enforcer-process.ts";

const A = "process/a/default";
const B = "process/b/default";
const SLEEP = `{ command: [sleep, "1000"] }`;
const WAIT = { timeoutMs: 60_000 };
const TEST_MS = 120_000;

interface State {
  readonly at: number;
  readonly graceUntil: number;
  readonly runners: Record<string, { hasBeaten: boolean; misses: number; paused: boolean }>;
}

function stateOf(host: Host): State {
  const file = readFileSync(join(host.folder, "data", "enforcer-state.json"), "utf8");
  return (JSON.parse(file) as { memory: State }).memory;
}

/** The enforcer sees heartbeats, and is past its grace. */
async function untilSighted(host: Host): Promise<void> {
  await waitFor(() => {
    const { at, graceUntil, runners } = stateOf(host);
    return at > graceUntil && Object.values(runners).every(({ hasBeaten }) => hasBeaten);
  }, WAIT);
}

describe("orders on the command line", { timeout: TEST_MS }, () => {
  it("restart, stop, start, pause, resume and retire a runner, and say what was done", async () => {
    const host = await openHost(`runners: { ${A}: ${SLEEP} }`);
    host.start();
    const first = await spawnedPid(host, A);
    const restarted = await host.run("runner", "restart", A, "--reason", "new wheels");
    expect(restarted).toMatchObject({ code: 0, stderr: "" });
    expect(restarted.stdout).toMatch(/^process\/a\/default is being restarted \(enforcer@/);
    const second = await spawnedPid(host, A, 2);
    expect(isProcessAlive(first)).toBe(false);
    const { data } = host.of(A, "runner_restart_requested")[0]?.event ?? {};
    expect(data).toEqual({ reason: "new wheels", asked_by: whoAmI() });

    await host.run("runner", "stop", A);
    await waitFor(() => !isProcessAlive(second), WAIT);
    expect((await host.run("runner", "start", A)).stdout).toContain("is being started");
    const third = await spawnedPid(host, A, 3);

    await host.run("runner", "pause", A);
    await waitFor(() => host.types(A).includes("runner_paused"), WAIT);
    process.kill(third, "SIGKILL");
    await waitFor(() => host.of(A, "process_exited").length === 3, WAIT);
    const resumed = await host.run("runner", "resume", A, "--json");
    expect(JSON.parse(resumed.stdout)).toMatchObject({ ok: true, runner: A, order: "resume" });
    const fourth = await spawnedPid(host, A, 4);
    expect(host.types(A)).not.toContain("restart_scheduled");

    await host.run("runner", "retire", A);
    await waitFor(() => !isProcessAlive(fourth), WAIT);
    await waitFor(() => host.types(A).includes("runner_retired"), WAIT);
  });

  it("say what is wrong with an order that can't be carried out", async () => {
    const host = await openHost(
      `runners: { ${A}: ${SLEEP}, service/vpn/main: { external: true } }`,
    );
    const nobody = await host.run("runner", "restart", A);
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/No enforcer that has process\/a\/default answers/);
    const retired = await host.run("runner", "retire", "process/gone/default");
    expect(retired).toMatchObject({ code: 0 });
    await waitFor(() => host.types("process/gone/default").includes("runner_retired"));

    host.start();
    await spawnedPid(host, A);
    const reconnect = await host.run("runner", "reconnect", A);
    expect(reconnect.code).toBe(2);
    expect(reconnect.stderr).toContain("no camera of it runs");
    expect((await host.run("runner", "stop", "service/vpn/main")).stderr).toContain("watched only");
    expect((await host.run("runner", "stop", "nonsense")).code).toBe(2);
  });
});

describe("runbeat enforcer", { timeout: TEST_MS }, () => {
  it("restarts nobody for an outage of NATS, however long, and goes on judging afterwards", async () => {
    const host = await openHost(`runners: { ${A}: ${SLEEP}, ${B}: ${SLEEP} }`);
    host.start();
    const pids = [await spawnedPid(host, A), await spawnedPid(host, B)];
    await untilSighted(host);
    const before = stateOf(host).at;
    await host.nats.stop();
    // Far beyond every threshold.
    await waitFor(() => stateOf(host).at > before + 6_000, WAIT);
    await host.nats.restart();
    await untilSighted(host);
    const sighted = stateOf(host).at;
    await waitFor(() => stateOf(host).at > sighted + 3_000, WAIT);
    expect(pids.every(isProcessAlive)).toBe(true);
    expect(host.told.filter(({ type }) => type.startsWith("restart_scheduled"))).toEqual([]);

    process.kill(pids[0] ?? 0, "SIGSTOP");
    await spawnedPid(host, A, 2);
    expect(isProcessAlive(pids[1] ?? 0)).toBe(true);
  });

  it("follows the fleet file, and a file that is wrong changes nothing", async () => {
    const host = await openHost(`runners: { ${A}: ${SLEEP} }`);
    const enforcer = host.start();
    const pid = await spawnedPid(host, A);
    host.writeFleet("runners: { nonsense: {} }");
    await waitFor(() => enforcer.output().includes("The fleet stays as it was"), WAIT);
    host.writeFleet(`runners: { ${A}: ${SLEEP}, ${B}: ${SLEEP} }`);
    const b = await spawnedPid(host, B);
    expect(isProcessAlive(pid)).toBe(true);
    host.writeFleet(`runners: { ${B}: { command: [sleep, "2000"] } }`);
    await waitFor(() => !isProcessAlive(pid) && !isProcessAlive(b), WAIT);
    await spawnedPid(host, B, 2);
  });

  it("shows in a dry run what it would do, and does nothing", async () => {
    const host = await openHost(`runners: { ${A}: ${SLEEP} }`);
    const dry = await host.run("enforcer", "--dry-run");
    expect(dry).toMatchObject({ code: 0, stdout: `start ${A}\n` });
    const enforcer = host.start();
    await spawnedPid(host, A);
    enforcer.kill("SIGKILL");
    await enforcer.ended;
    host.writeFleet(`runners: { ${B}: ${SLEEP} }`);
    const { stdout } = await host.run("enforcer", "--dry-run", "--json");
    const { actions } = JSON.parse(stdout) as { actions: { action: string; runner: string }[] };
    expect(actions.map(({ action, runner }) => `${action} ${runner}`)).toEqual([
      `take over ${A}`,
      `stop ${A}`,
      `start ${B}`,
    ]);
    expect(host.types(B)).toEqual([]);
    host.start();
    await spawnedPid(host, B);
    await waitFor(() => host.types(A).includes("process_exited"), WAIT);
  });

  it("leaves its runners to the next one when it is killed, which takes them over, and lets only one be", async () => {
    const host = await openHost(`runners: { ${A}: ${SLEEP} }`);
    const first = host.start();
    const pid = await spawnedPid(host, A);
    const second = host.start();
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`Another enforcer (process ${first.pid}) holds`);
    first.kill("SIGKILL");
    await first.ended;
    expect(isProcessAlive(pid)).toBe(true);
    const third = host.start();
    await waitFor(() => host.types(A).includes("process_adopted"), WAIT);
    expect(host.of(A, "process_adopted")[0]?.event.process?.pid).toBe(pid);
    third.kill("SIGTERM");
    expect(await third.ended).toBe(0);
    expect(isProcessAlive(pid)).toBe(false);
    expect(host.of(A, "process_spawned")).toHaveLength(1);
  });
});
