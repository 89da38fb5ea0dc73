/** An enforcer with real processes, and everything that it tells. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import { eventBody } from "../../lib/core/event.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { createBeatBook } from "../../lib/enforcer/beat-book.ts";
import type { BeatBook } from "../../lib/enforcer/beat-book.ts";
import { startEnforcer } from "../../lib/enforcer/enforcer.ts";
import type { Enforcer, EnforcerOptions } from "../../lib/enforcer/enforcer.ts";
import { createProcessDriver } from "../../lib/enforcer/process-runs.ts";
import { hostProcesses } from "../../lib/runner/host-processes.ts";
import { SETTINGS } from "../core/decide-rig.ts";
import { builtFile } from "../runner/built-program.ts";
import { makeLog } from "../support/log-lines.ts";
import { makeTempDir } from "../support/temp-dir.ts";

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
  readonly msgId: string;
  readonly body: Record<string, unknown>;
}

interface RigOptions {
  readonly restart?: Partial<typeof RESTART>;
  readonly options?: Partial<EnforcerOptions>;
  /** Whose folder to go on with: as the next enforcer on the same host. */
  readonly before?: EnforcerRig;
}

export interface EnforcerRig {
  readonly enforcer: Enforcer;
  readonly told: Told[];
  readonly folder: string;
  readonly lines: readonly string[];
  /** Bodies of a runner's events, or of those of one type. */
  readonly of: (runner: string, type?: string) => Record<string, unknown>[];
  readonly types: (runner: string) => string[];
  readonly parse: (fleet: string) => ReturnType<typeof parseFleet>;
}

const enforcers: Enforcer[] = [];

afterEach(async () => {
  await Promise.all(enforcers.splice(0).map(async (enforcer) => await enforcer.stop()));
});

export async function openEnforcer(
  fleetText: string,
  { restart = {}, options = {}, before }: RigOptions = {},
): Promise<EnforcerRig> {
  const told: Told[] = [];
  const folder = before?.folder ?? makeTempDir("enforcer");
  const { log, lines } = makeLog();
  const parse = (text: string) =>
    parseFleet(text, { FOLDER: folder, API_TOKEN: "s3cret" }, "fleet.yaml");
  const fleet = parse(fleetText);
  const program = await builtFile("cmd/runbeat.ts");
  const env = { PATH: process.env["PATH"], FFMPEG_BIN: process.env["FFMPEG_BIN"], HOME: folder };
  const own = { ...env, NATS_URL: "nats://127.0.0.1:1", RUNBEAT_DATA_DIR: join(folder, "data") };
  const enforcer = await startEnforcer({
    fleet,
    settings: { ...SETTINGS, checkEverySec: 0.2, restart: { ...RESTART, ...restart } },
    host: "edge-1",
    bootId: hostProcesses.bootId(),
    openDrivers: (hooks) => {
      const driver = createProcessDriver({
        runsDir: join(folder, "runs"),
        host: hostProcesses,
        hooks,
        own: { file: process.execPath, args: [program], env: own },
        env,
        beatEnv: (runner) => ({ RUNBEAT_RUNNER: runner, RUNNER_HEARTBEAT_KEY: "s3cret" }),
        intervalSec: 0.5,
        secrets: () => fleet.secrets,
        warn: () => {},
      });
      return new Map([
        ["camera", driver],
        ["command", driver],
      ]);
    },
    book: blindBook(),
    memoryFile: join(folder, "enforcer-state.json"),
    newId: randomUUID,
    publish: async ({ runner, type, data, msgId }, atMs) => {
      const body = eventBody(type, "enforcer@test", atMs, data);
      if (told.every((event) => event.msgId !== msgId)) told.push({ runner, type, msgId, body });
      await Promise.resolve();
    },
    log,
    ...options,
  });
  enforcers.push(enforcer);
  const of = (runner: string, type?: string) =>
    told
      .filter((event) => event.runner === runner && (type === undefined || event.type === type))
      .map(({ body }) => body);
  const types = (runner: string) =>
    told.filter((event) => event.runner === runner).map((event) => event.type);
  return { enforcer, told, folder, lines, of, types, parse };
}

/** The enforcer is gone as if it was killed; what it has started lives on. */
export async function abandon({ enforcer }: EnforcerRig): Promise<void> {
  enforcers.splice(enforcers.indexOf(enforcer), 1);
  await enforcer.leave();
}

/** Hears nothing, and knows it. */
function blindBook(): BeatBook {
  return createBeatBook({
    self: parseRunnerId("service/enforcer/edge-1"),
    selfIntervalSec: 10,
    thresholds: DEFAULT_THRESHOLDS,
    maxLagSec: 10,
    figuresMaxAgeSec: 60,
  });
}
