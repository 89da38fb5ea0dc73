import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readUpRecord } from "../../cmd/up-record.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import type { Outcome } from "./command-line.ts";
import { processesOf, startUp, untilGone } from "./running-up.ts";
import type { RunningUp } from "./running-up.ts";

const TEST_MS = 120_000;
const MINUTE_MS = 60_000;

interface Item {
  readonly runner: string;
  readonly status: string;
  readonly last_heartbeat_at: string;
  readonly process: { readonly pid: number };
  readonly heartbeat: { readonly fps: number | null };
}

async function beside(up: RunningUp, ...args: string[]): Promise<Outcome> {
  return await runCommand(args, { cwd: up.folder, env: up.environment() });
}

async function runners(up: RunningUp): Promise<Map<string, Item>> {
  const { apiUrl } = await up.record();
  const response = await fetch(`${apiUrl}/api/v1/runners`);
  const { items } = (await response.json()) as { items: Item[] };
  return new Map(items.map((item) => [item.runner, item]));
}

/** The three of the demo fleet and the enforcer itself, all online. */
async function untilAllOnline(up: RunningUp, timeoutMs = MINUTE_MS): Promise<Map<string, Item>> {
  return await waitFor(
    async () => {
      const items = await runners(up);
      const online = [...items.values()].filter(({ status }) => status === "online");
      return online.length === 4 && items;
    },
    { timeoutMs, what: "four runners online" },
  );
}

/** Commands of `up` other than its runners. */
const PARTS = /nats-server|runbeat\.js (api|projector|sentinel)/;
const QUIET = "[sleep, '1000']";
/** Nothing but KILL ends it, and that comes last. */
const STUBBORN = "[sh, -c, 'trap : TERM INT HUP; while :; do sleep 0.1; done']";

/** A fleet of one command: for tests that are about the rest. */
function fleetFile(command: string): string {
  const file = join(makeTempDir("fleet"), "fleet.yaml");
  writeFileSync(file, `runners: { process/only/default: { command: ${command} } }\n`);
  return file;
}

describe("runbeat up", { timeout: TEST_MS }, () => {
  it("has two cameras and a wrapped process online within a minute, and ctrl-C leaves nothing", async () => {
    const up = startUp();
    const { apiUrl, natsUrl } = await up.record();
    await untilAllOnline(up);
    const items = await waitFor(
      async () => {
        const found = await runners(up);
        const fps = (runner: string): number => found.get(runner)?.heartbeat.fps ?? 0;
        const isNear = (got: number, wanted: number): boolean => Math.abs(got - wanted) < 3;
        return (
          isNear(fps("camera/pattern/demo"), 15) && isNear(fps("camera/clock/demo"), 10) && found
        );
      },
      { timeoutMs: MINUTE_MS, what: "frame rates near their source's" },
    );
    expect(items.get("process/ticker/default")?.status).toBe("online");
    expect(up.output()).toContain(`${apiUrl}/api/v1/runners`);

    const table = await beside(up, "status");
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^camera\/pattern\/demo +● online +\d+ +\d:\d\d:\d\d .* fps/m);
    expect(table.stdout).toContain("4 runners:  4 ● online  0 ◌ starting");

    const commands = processesOf(up.folder).map(({ command }) => command);
    expect(commands.some((command) => command.includes("nats-server"))).toBe(true);
    expect(commands.filter((command) => command.includes("ffmpeg"))).toHaveLength(2);

    // Under npm one ctrl-C arrives twice: from the terminal and from npm.
    up.child.kill("SIGINT");
    up.child.kill("SIGINT");
    expect(await up.ended).toEqual({ code: 0, signal: null });
    await untilGone(up);
    await expect(fetch(`${apiUrl}/livez`)).rejects.toThrow("fetch failed");
    await expect(fetch(natsUrl.replace("nats", "http"))).rejects.toThrow("fetch failed");
  });

  it("brings a killed nats-server and a killed projector back, and the runners stay what they are", async () => {
    const up = startUp();
    const before = await untilAllOnline(up);
    for (const name of ["nats-server -c", "runbeat.js projector"]) {
      const victim = processesOf(up.folder).find(({ command }) => command.includes(name));
      if (victim === undefined) throw new Error(`${name} does not run`);
      process.kill(victim.pid, "SIGKILL");
    }
    const killedAt = Date.now();
    const after = await waitFor(
      async () => {
        const items = await runners(up);
        const isBack = [...items.values()].every(
          (item) => item.status === "online" && Date.parse(item.last_heartbeat_at) > killedAt,
        );
        return isBack && items;
      },
      { timeoutMs: MINUTE_MS, what: "heartbeats after the kill" },
    );
    for (const [runner, { process }] of before) {
      expect(after.get(runner)?.process.pid).toBe(process.pid);
    }
    up.child.kill("SIGTERM");
    expect(await up.ended).toEqual({ code: 0, signal: null });
    await untilGone(up);
  });

  it("leaves its runners to the next one when it is killed outright, and nothing else", async () => {
    const up = startUp();
    const { natsUrl } = await up.record();
    const before = await untilAllOnline(up);
    up.child.kill("SIGKILL");
    expect(await up.ended).toEqual({ code: null, signal: "SIGKILL" });
    await waitFor(() => processesOf(up.folder).every(({ command }) => !PARTS.test(command)));
    const env = { RUNBEAT_DATA_DIR: up.dataDir, RUNBEAT_NATS_PORT: new URL(natsUrl).port };
    const next = { ...startUp({ env }), dataDir: up.dataDir };
    const record = async () =>
      await waitFor(() => readUpRecord(next), { timeoutMs: MINUTE_MS, what: "the next one" });
    const after = await untilAllOnline({ ...next, record });
    for (const [runner, { process }] of before) {
      if (runner.startsWith("service/enforcer/")) continue;
      expect(after.get(runner)?.process.pid).toBe(process.pid);
    }
    next.child.kill("SIGTERM");
    expect(await next.ended).toEqual({ code: 0, signal: null });
    await untilGone(up);
  });

  it("ends when the npm that started it is killed", async () => {
    const up = startUp({
      env: { npm_lifecycle_event: "start", RUNBEAT_FLEET: fleetFile(QUIET) },
      underShell: true,
    });
    const { process: own } = await up.record();
    expect(own.pid).not.toBe(up.child.pid);
    up.child.kill("SIGKILL");
    await untilGone(up);
  });

  it("ends at once when asked again, and what it ran ends all the same", async () => {
    const up = startUp({ env: { RUNBEAT_FLEET: fleetFile(STUBBORN) } });
    await waitFor(
      async () => (await runners(up)).get("process/only/default")?.status === "online",
      {
        timeoutMs: MINUTE_MS,
      },
    );
    await waitFor(() => {
      up.child.kill("SIGINT");
      return up.child.exitCode !== null;
    });
    expect(await up.ended).toEqual({ code: 130, signal: null });
    await untilGone(up);
  });

  it("ends when its terminal goes", async () => {
    const up = startUp({ env: { RUNBEAT_FLEET: fleetFile(QUIET) } });
    await up.record();
    up.child.kill("SIGHUP");
    expect(await up.ended).toEqual({ code: 0, signal: null });
    await untilGone(up);
  });

  it("lets nobody else onto its data folder or its enforcer's lock, and says who is there", async () => {
    const up = startUp({ env: { RUNBEAT_FLEET: fleetFile(QUIET) } });
    const { process: own, apiUrl } = await up.record();
    const second = await beside(up, "up");
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/Another runbeat up .* runs on the data folder/);
    expect(second.stderr).toContain(`process ${own.pid}, API at ${apiUrl}`);
    const third = await runCommand(["up"], {
      cwd: makeTempDir("third"),
      env: {
        ...up.environment(),
        RUNBEAT_DATA_DIR: makeTempDir("third"),
        ENFORCER_LOCK_FILE: join(up.dataDir, "enforcer.lock"),
      },
    });
    expect(third.code).toBe(1);
    expect(third.stderr).toMatch(/Another enforcer \(process \d+\) holds .*enforcer\.lock/);
    expect((await fetch(`${apiUrl}/livez`)).status).toBe(200);
  });
});

describe("runbeat up refuses", () => {
  async function refusal(
    env: Record<string, string>,
    ...args: string[]
  ): Promise<{ code: number | null; line: string }> {
    const up = startUp({ env: { RUNBEAT_FLEET: fleetFile(QUIET), ...env }, args });
    const { code } = await up.ended;
    await untilGone(up);
    return { code, line: up.output().trim() };
  }

  it("a port of the API that another program has", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const { code, line } = await refusal({}, "--port", String(port));
    server.close();
    expect(code).toBe(1);
    expect(line).toContain(`Port ${port} of 127.0.0.1`);
    expect(line).toContain("RUNBEAT_HTTP_PORT");
  });

  it("an address that others can reach without a read key", async () => {
    const { code, line } = await refusal({}, "--host", "0.0.0.0");
    expect(code).toBe(2);
    expect(line).toContain("RUNBEAT_READ_KEY");
  });

  it("a fleet file that is missing or wrong", async () => {
    expect(await refusal({ RUNBEAT_FLEET: "none.yaml" })).toMatchObject({
      code: 2,
      line: expect.stringContaining("none.yaml") as string,
    });
    const file = join(makeTempDir("fleet"), "wrong.yaml");
    writeFileSync(file, "runners: { nonsense: {} }\n");
    expect(await refusal({}, "--fleet", file)).toMatchObject({
      code: 2,
      line: expect.stringContaining("nonsense") as string,
    });
  });

  it("a NATS that does not answer", async () => {
    const { code, line } = await refusal({ NATS_URL: "nats://127.0.0.1:9" });
    expect(code).toBe(1);
    expect(line).toContain("127.0.0.1:9");
  });

  it("a data folder that can't be made", async () => {
    const folder = makeTempDir("taken");
    writeFileSync(join(folder, "file"), "");
    mkdirSync(join(folder, "dir"));
    const { code, line } = await refusal({}, "--data-dir", join(folder, "file", "data"));
    expect(code).toBe(1);
    expect(line).toContain(join(folder, "file", "data"));
  });
});
