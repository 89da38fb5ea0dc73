import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import { eventBody } from "../../lib/core/event.ts";
import { startEnforcer } from "../../lib/enforcer/enforcer.ts";
import type { Enforcer, EnforcerOptions, PublishEvent } from "../../lib/enforcer/enforcer.ts";
import { openOutputFile } from "../../lib/enforcer/output-file.ts";
import { endLeftover, spawnGroup } from "../../lib/runner/child-group.ts";
import { isProcessAlive, startedAtOf } from "../../lib/runner/process-identity.ts";
import { builtFile } from "../runner/built-program.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const RESTART = {
  isEnabled: true,
  backoffSec: [0.1, 0.2, 0.3],
  maxAttempts: 3,
  cooldownSec: 600,
  stableSec: 300,
};

interface Told {
  readonly runner: string;
  readonly type: string;
  readonly body: Record<string, unknown>;
}

interface Running {
  readonly enforcer: Enforcer;
  readonly told: Told[];
  readonly folder: string;
  readonly output: (runner: string) => string;
  /** Bodies of a runner's events, or of those of one type. */
  readonly of: (runner: string, type?: string) => Record<string, unknown>[];
  readonly types: (runner: string) => string[];
}

let program = "";
let natsUrl = "";
const enforcers: Enforcer[] = [];

beforeAll(async () => {
  program = await builtFile("cmd/runbeat.ts");
  natsUrl = (await startNatsServer()).url;
});

afterEach(async () => {
  await Promise.all(enforcers.splice(0).map((enforcer) => enforcer.stop()));
});

function start(fleet: string, options: Partial<EnforcerOptions> = {}): Running {
  const told: Told[] = [];
  const folder = makeTempDir("enforcer");
  const publish: PublishEvent = (runner, type, data) => {
    told.push({ runner, type, body: eventBody(type, "enforcer@test", Date.now(), data) });
  };
  const env = { PATH: process.env["PATH"], FFMPEG_BIN: process.env["FFMPEG_BIN"], HOME: folder };
  const enforcer = startEnforcer({
    fleet: parseFleet(fleet, { FOLDER: folder, API_TOKEN: "s3cret" }, "fleet.yaml"),
    restart: RESTART,
    intervalSec: 0.5,
    host: "edge-1",
    spawn: spawnGroup,
    own: { file: process.execPath, args: [program], env: { ...env, NATS_URL: natsUrl } },
    env,
    beatEnv: (runner) => ({ RUNBEAT_RUNNER: runner, RUNNER_HEARTBEAT_KEY: "s3cret" }),
    publish,
    openOutput: (runner) => openOutputFile(join(folder, `${runner}.log`), () => {}),
    endLeftover,
    log: makeLog().log,
    ...options,
  });
  enforcers.push(enforcer);
  const of = (runner: string, type?: string) =>
    told
      .filter((event) => event.runner === runner && (type === undefined || event.type === type))
      .map(({ body }) => body);
  return {
    enforcer,
    told,
    folder,
    output: (runner) => readFileSync(join(folder, `${runner}.log`), "utf8"),
    of,
    types: (runner) => told.filter((event) => event.runner === runner).map(({ type }) => type),
  };
}

const ID = "process/a/default";

describe("the enforcer", () => {
  it("starts a command under its wrapper and announces the command itself, secrets masked", async () => {
    const { of, enforcer, output } = start(`
runners:
  ${ID}:
    command: [sh, -c, "echo token is \${API_TOKEN}; exec sleep 100", "\${API_TOKEN}"]
    env: { MODE: live, EXTRA: "\${API_TOKEN}" }
`);
    const [spawned] = await waitFor(() => (of(ID).length > 0 ? of(ID) : undefined));
    expect(spawned).toMatchObject({
      by: "enforcer@test",
      host: "edge-1",
      attempt: 0,
      argv: ["sh", "-c", "echo token is ***; exec sleep 100", "***"],
      env: { MODE: "live", EXTRA: "***" },
    });
    const pid = Number(spawned?.["pid"]);
    expect(startedAtOf(pid)).toBe(spawned?.["started_at"]);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain("MODE=live");
    expect(enforcer.describe()).toEqual([
      { runner: ID, driver: "command", state: "running", pid, attempts: 0, nextStartAt: null },
    ]);
    await waitFor(() => output(ID).includes("token is ***"));
    expect(output(ID)).not.toContain("s3cret");
  });

  it("ends everything when it is stopped, deaf commands included, all at once", async () => {
    const { of, enforcer, folder, types } = start(`
runners:
  ${ID}: { command: [sh, -c, "trap '' TERM; sleep 100 & echo $! > $FOLDER/child; wait; wait"], env: { FOLDER: "\${FOLDER}" } }
  process/b/default: { command: [sleep, "100"] }
  process/c/default: { command: [sleep, "100"], beats: self }
`);
    const ids = [ID, "process/b/default", "process/c/default"];
    await waitFor(() => ids.every((id) => of(id, "process_spawned").length === 1));
    const child = await waitFor(() => Number(readFileSync(join(folder, "child"), "utf8")) || null);
    const startedMs = performance.now();
    await enforcer.stop();
    expect(performance.now() - startedMs).toBeLessThan(12_000);
    for (const id of ids) {
      expect(types(id)).toEqual(["process_spawned", "process_stopping", "process_exited"]);
      expect(isProcessAlive(Number(of(id)[0]?.["pid"]))).toBe(false);
    }
    expect(isProcessAlive(child)).toBe(false);
    expect(of(ID, "process_exited")[0]).toMatchObject({ signal: "SIGKILL", exit_code: null });
    expect(of("process/b/default", "process_exited")[0]).toMatchObject({ signal: "SIGTERM" });
  });

  it("restarts a failing command with growing pauses, then cools down", async () => {
    const { of, types, enforcer } = start(`
runners:
  ${ID}: { command: [sh, -c, "echo no database >&2; exit 4"] }
`);
    const [exhausted] = await waitFor(
      () => (of(ID, "restart_exhausted").length > 0 ? of(ID, "restart_exhausted") : undefined),
      { timeoutMs: 20_000 },
    );
    const once = ["process_spawned", "process_exited"];
    expect(types(ID)).toEqual([
      ...once,
      ...Array.from({ length: 3 }, () => ["restart_scheduled", ...once]).flat(),
      "restart_exhausted",
    ]);
    expect(of(ID, "restart_scheduled")).toMatchObject([
      { attempt: 1, delay_sec: 0.1, reason: "exit code 4" },
      { attempt: 2, delay_sec: 0.2 },
      { attempt: 3, delay_sec: 0.3 },
    ]);
    expect(of(ID, "process_spawned").map(({ attempt }) => attempt)).toEqual([0, 1, 2, 3]);
    expect(of(ID, "process_exited")[0]).toMatchObject({
      exit_code: 4,
      signal: null,
      stderr: ["no database"],
    });
    const until = Date.parse(String(exhausted?.["cooldown_until"]));
    expect(until - Date.now()).toBeGreaterThan(590_000);
    expect(enforcer.describe()).toMatchObject([{ state: "cooling", nextStartAt: until }]);
  });

  it("starts over after the cooldown", async () => {
    const { types } = start(`
runners:
  ${ID}: { command: [sh, -c, "exit 4"], beats: self, restart: { max_attempts: 1, cooldown_sec: 0.2 } }
`);
    const wanted = ["restart_exhausted", "restart_reset", "restart_scheduled", "process_spawned"];
    await waitFor(() => types(ID).slice(types(ID).indexOf("restart_exhausted")).length >= 4);
    const from = types(ID).indexOf("restart_exhausted");
    expect(types(ID).slice(from, from + 4)).toEqual(wanted);
  });

  it("forgets failures once a run was long enough", async () => {
    const { types, enforcer, folder } = start(`
runners:
  ${ID}:
    command: [sh, -c, "test -e $FOLDER/again && exec sleep 100; touch $FOLDER/again; exit 1"]
    env: { FOLDER: "\${FOLDER}" }
    restart: { stable_sec: 1.5 }
`);
    await waitFor(() => types(ID).includes("restart_reset"), { timeoutMs: 15_000 });
    expect(existsSync(join(folder, "again"))).toBe(true);
    expect(enforcer.describe()).toMatchObject([{ state: "running", attempts: 0 }]);
  });

  it.each([
    [`restart_deny: ["process/*/*"]`, {}, /^unhealthy but in deny list/],
    [`restart_allow: []`, {}, /not in allow list/],
    ["", { restart: { ...RESTART, maxAttempts: 0 } }, /MAX_RESTART_ATTEMPTS is 0/],
    ["", { restart: { ...RESTART, isEnabled: false } }, /SUPERVISOR_ENABLED/],
  ])("starts, but does not restart, where that is denied: %s %o", async (lists, options, why) => {
    const fleet = `${lists}\nrunners: { ${ID}: { command: ["true"], beats: self } }`;
    const { of, types, enforcer } = start(fleet, options);
    await waitFor(() => types(ID).includes("restart_denied"));
    expect(types(ID)).toEqual(["process_spawned", "process_exited", "restart_denied"]);
    expect(of(ID, "restart_denied")[0]?.["why"]).toMatch(why);
    expect(enforcer.describe()).toMatchObject([{ state: "ended", pid: null }]);
  });

  it("hands a command that beats by itself what it needs", async () => {
    const { of, folder } = start(`
runners:
  ${ID}:
    command: [sh, -c, "env > $FOLDER/env; exec sleep 100"]
    env: { FOLDER: "\${FOLDER}" }
    beats: self
`);
    const [spawned] = await waitFor(() => (of(ID).length > 0 ? of(ID) : undefined));
    expect(spawned).toMatchObject({ env: { RUNBEAT_RUNNER: ID, RUNNER_HEARTBEAT_KEY: "***" } });
    const file = join(folder, "env");
    const env = await waitFor(() => (existsSync(file) ? readFileSync(file, "utf8") : "") || null);
    expect(env).toContain(`RUNBEAT_RUNNER=${ID}`);
    expect(env).toContain("RUNNER_HEARTBEAT_KEY=s3cret");
  });

  it("loses no command to a wrapper that is killed, and never runs two", async () => {
    const { of, types } = start(`runners: { ${ID}: { command: [sleep, "100"] } }`);
    const [spawned] = await waitFor(() => (of(ID).length > 0 ? of(ID) : undefined));
    const command = Number(spawned?.["pid"]);
    const wrapper = Number(
      /^\d+ \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${command}/stat`, "utf8"))?.[1],
    );
    process.kill(wrapper, "SIGKILL");
    await waitFor(() => of(ID, "process_spawned").length === 2, { timeoutMs: 15_000 });
    expect(isProcessAlive(command)).toBe(false);
    expect(types(ID)).toEqual([
      "process_spawned",
      "process_lost",
      "restart_scheduled",
      "process_spawned",
    ]);
    expect(of(ID, "process_lost")[0]).toMatchObject({
      pid: command,
      reason: "its wrapper ended by SIGKILL",
    });
  });

  it("says why a command can't be started at all, and tries again", async () => {
    const { of } = start(`
runners:
  ${ID}: { command: ["true"], cwd: /no/such/folder }
  process/b/default: { command: ["true"], cwd: /no/such/folder, beats: self }
  process/c/default: { command: [/no/such/program] }
`);
    for (const id of [ID, "process/b/default"]) {
      await waitFor(() => of(id, "restart_exhausted").length === 1, { timeoutMs: 20_000 });
      expect(of(id, "restart_scheduled")[0]?.["reason"]).toMatch(
        /^could not be started: true could not be started in \/no\/such\/folder/,
      );
      expect(of(id, "process_spawned")).toEqual([]);
    }
    await waitFor(() => of("process/c/default", "process_exited").length > 0);
    expect(of("process/c/default", "process_exited")[0]).toMatchObject({
      exit_code: 127,
      stderr: [expect.stringContaining("/no/such/program") as string],
    });
  });

  it("runs a camera, tells of its state, and starts it again when it is killed", async () => {
    const id = "camera/pattern/demo";
    const { of, types } = start(`
runners:
  ${id}: { camera: { url: "testsrc2=size=320x180:rate=10", input_format: lavfi } }
`);
    await waitFor(() => types(id).includes("camera_online"), { timeoutMs: 20_000 });
    const [spawned] = of(id, "process_spawned");
    expect(spawned?.["argv"]).toEqual([process.execPath, program, "runner", id, "--supervised"]);
    process.kill(Number(spawned?.["pid"]), "SIGKILL");
    await waitFor(() => of(id, "process_spawned").length === 2, { timeoutMs: 20_000 });
    expect(of(id, "process_exited")[0]).toMatchObject({ signal: "SIGKILL", pid: spawned?.["pid"] });
  });

  it("only watches what it can't start", async () => {
    const { enforcer, told } = start(`
runners:
  service/api/main: { docker: { container: api-1 } }
  service/db/main: { systemd: { unit: postgresql.service } }
  service/vpn/main: { external: true }
`);
    expect(enforcer.describe().map(({ driver, state }) => [driver, state])).toEqual([
      ["docker", "watched"],
      ["systemd", "watched"],
      ["external", "watched"],
    ]);
    await enforcer.stop();
    expect(told.map(({ runner, type }) => `${runner} ${type}`)).toEqual([
      "service/enforcer/edge-1 enforcer_started",
      "service/enforcer/edge-1 enforcer_stopped",
    ]);
  });
});

describe("an output file", () => {
  it("keeps a bounded amount, the newest", () => {
    const path = join(makeTempDir("output"), "deep", "run.log");
    const output = openOutputFile(path, () => {});
    for (let i = 0; i < 60_000; i++) output.write(`line ${i} ${"x".repeat(40)}`);
    output.close();
    expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThan(2.3 * 2 ** 20);
    expect(readFileSync(path, "utf8")).toMatch(/ line 59999 x+\n$/);
  });

  it("says once that it can't be written, and takes what comes", () => {
    const file = join(makeTempDir("output"), "file");
    writeFileSync(file, "");
    const errors: Error[] = [];
    const output = openOutputFile(join(file, "below", "run.log"), (error) => errors.push(error));
    for (let i = 0; i < 10_000; i++) output.write("x".repeat(100));
    output.close();
    expect(errors).toHaveLength(1);
  });
});
