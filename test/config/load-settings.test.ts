import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadSettings } from "../../config/load-settings.ts";
import type { LoadedSettings } from "../../config/load-settings.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runbeat-settings-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function yaml(text: string): string {
  const file = join(folder, "runbeat.yaml");
  writeFileSync(file, text);
  return file;
}

function fromEnvironment(environment: Record<string, string>): LoadedSettings {
  return loadSettings({ environment });
}

describe("the layers", () => {
  it("start from the defaults of the contract", () => {
    const { settings, origins, warnings } = fromEnvironment({});
    expect(settings.dataDir).toBe(".runbeat");
    expect(settings.http).toMatchObject({ host: "127.0.0.1", port: 8080, readKey: null });
    expect(settings.nats).toMatchObject({ url: null, port: 4222, streamPrefix: "RUNBEAT" });
    expect(settings.heartbeat).toEqual({
      intervalSec: 10,
      onlineSec: 15,
      staleSec: 45,
      offlineSec: 120,
      snapshotEverySec: 15,
      logEverySec: 60,
    });
    expect(settings.status).toEqual({ startGraceSec: 30, maxLagSec: 10 });
    expect(settings.restart.backoffSec).toEqual([5, 15, 45]);
    expect(settings.streams.events.maxAgeSec).toBe(90 * 86_400);
    expect(settings.streams.quarantine.maxMessages).toBe(100_000);
    expect(origins.get("http.port")).toEqual({ source: "default" });
    expect(warnings).toEqual([]);
  });

  it("lay the file over the defaults, the environment over the file and flags over all", () => {
    const file = yaml("http:\n  port: 1111\n  host: 127.0.0.2\nheartbeat:\n  online_sec: 12\n");
    const { settings, origins } = loadSettings({
      file,
      environment: { RUNBEAT_HTTP_PORT: "2222", HEARTBEAT_ONLINE_SEC: "14" },
      flags: new Map([["http.port", { flag: "--port", text: "3333" }]]),
    });
    expect(settings.http).toMatchObject({ port: 3333, host: "127.0.0.2" });
    expect(settings.heartbeat.onlineSec).toBe(14);
    expect(origins.get("http.port")).toEqual({ source: "flag", name: "--port" });
    expect(origins.get("http.host")).toEqual({ source: "file", name: file });
    expect(origins.get("heartbeat.online_sec")).toEqual({
      source: "environment",
      name: "HEARTBEAT_ONLINE_SEC",
    });
  });

  it("take an empty variable for one that is not set", () => {
    expect(fromEnvironment({ NATS_URL: "", HB_LOG_EVERY_SEC: "" }).settings).toMatchObject({
      nats: { url: null },
      heartbeat: { logEverySec: 60 },
    });
  });

  it("take an empty file and empty groups for no settings", () => {
    const file = yaml("# nothing\nhttp:\n");
    expect(loadSettings({ file, environment: {} }).settings.http.port).toBe(8080);
  });
});

describe("the environment", () => {
  const names: [string, string, (loaded: LoadedSettings) => unknown, unknown][] = [
    ["HEARTBEAT_INTERVAL_SEC", "2", ({ settings }) => settings.heartbeat.intervalSec, 2],
    ["HEARTBEAT_ONLINE_SEC", "44", ({ settings }) => settings.heartbeat.onlineSec, 44],
    ["HEARTBEAT_STALE_SEC", "60", ({ settings }) => settings.heartbeat.staleSec, 60],
    ["HEARTBEAT_OFFLINE_SEC", "300", ({ settings }) => settings.heartbeat.offlineSec, 300],
    ["HB_LOG_EVERY_SEC", "0", ({ settings }) => settings.heartbeat.logEverySec, 0],
    ["HEARTBEAT_SNAPSHOT_EVERY", "5", ({ settings }) => settings.heartbeat.snapshotEverySec, 5],
    [
      "RUNNER_HEARTBEAT_URL",
      "http://h/x",
      ({ settings }) => settings.ingest.heartbeatUrl,
      "http://h/x",
    ],
    ["RUNNER_HEARTBEAT_KEY", "k", ({ settings }) => settings.ingest.heartbeatKey, "k"],
    ["ENFORCER_INTERVAL_SECONDS", "3", ({ settings }) => settings.restart.checkEverySec, 3],
    ["SUPERVISOR_CHECK_INTERVAL_SECS", "4", ({ settings }) => settings.restart.checkEverySec, 4],
    ["ENFORCER_LOCK_FILE", "/run/l", ({ settings }) => settings.restart.lockFile, "/run/l"],
    ["HEARTBEAT_MISS_THRESHOLD", "5", ({ settings }) => settings.restart.missThreshold, 5],
    ["SUPERVISOR_ENABLED", "false", ({ settings }) => settings.restart.enabled, false],
    ["MAX_RESTART_ATTEMPTS", "0", ({ settings }) => settings.restart.maxAttempts, 0],
    ["RESTART_BACKOFF_SECS", "1, 2,3", ({ settings }) => settings.restart.backoffSec, [1, 2, 3]],
    ["RESTART_COOLDOWN_SECS", "10m", ({ settings }) => settings.restart.cooldownSec, 600],
    ["START_GRACE_SEC", "7", ({ settings }) => settings.status.startGraceSec, 7],
    ["STATUS_MAX_LAG_SEC", "8", ({ settings }) => settings.status.maxLagSec, 8],
    ["RUNBEAT_DATA_DIR", "/d", ({ settings }) => settings.dataDir, "/d"],
    ["RUNBEAT_HTTP_HOST", "0.0.0.0", ({ settings }) => settings.http.host, "0.0.0.0"],
    ["RUNBEAT_HTTP_PORT", "0", ({ settings }) => settings.http.port, 0],
    [
      "RUNBEAT_DATABASE_URL",
      "sqlite:/x.db",
      ({ settings }) => settings.databaseUrl,
      "sqlite:/x.db",
    ],
    ["NATS_URL", "nats://a,nats://b", ({ settings }) => settings.nats.url, "nats://a,nats://b"],
    ["RUNBEAT_NATS_PORT", "5222", ({ settings }) => settings.nats.port, 5222],
    ["RUNBEAT_NATS_SERVER", "/bin/n", ({ settings }) => settings.nats.serverBin, "/bin/n"],
    ["RUNBEAT_FLEET", "f.yaml", ({ settings }) => settings.fleet, "f.yaml"],
    ["RUNBEAT_READ_KEY", "r", ({ settings }) => settings.http.readKey, "r"],
    ["RUNBEAT_OPERATE_KEY", "o", ({ settings }) => settings.http.operateKey, "o"],
    ["RUNBEAT_SUBJECT_PREFIX", "p", ({ settings }) => settings.nats.subjectPrefix, "p"],
    ["RUNBEAT_STREAM_PREFIX", "P", ({ settings }) => settings.nats.streamPrefix, "P"],
    ["FFMPEG_BIN", "/bin/f", ({ settings }) => settings.ffmpeg.bin, "/bin/f"],
    [
      "RUNBEAT_STREAMS_HEARTBEATS_MAX_BYTES",
      "2GiB",
      ({ settings }) => settings.streams.heartbeats.maxBytes,
      2 ** 31,
    ],
    [
      "RUNBEAT_STREAMS_EVENTS_MAX_AGE_SEC",
      "7d",
      ({ settings }) => settings.streams.events.maxAgeSec,
      604_800,
    ],
  ];

  it.each(names)("honours %s=%s", (name, value, read, expected) => {
    const loaded = fromEnvironment({ [name]: value });
    expect(read(loaded)).toEqual(expected);
    expect(loaded.warnings).toEqual([]);
  });

  it("is warned about where a RUNBEAT_ name is not ours, with the nearest one that is", () => {
    const { warnings } = fromEnvironment({
      RUNBEAT_HTTP_PROT: "1",
      RUNBEAT_RUNNER: "x",
      OTHER: "1",
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("RUNBEAT_HTTP_PROT");
    expect(warnings[0]).toContain("did you mean RUNBEAT_HTTP_PORT?");
  });
});

describe("a wrong value", () => {
  const wrong: [string, string, string[]][] = [
    ["RUNBEAT_HTTP_PORT", "99999", ["http.port", "99999", "from 0 to 65535"]],
    ["RUNBEAT_HTTP_PORT", "eighty", ["http.port", '"eighty"', "a whole number"]],
    ["RUNBEAT_HTTP_PORT", " ", ["http.port", "a whole number"]],
    ["HEARTBEAT_INTERVAL_SEC", "0", ["heartbeat.interval_sec", "0", "at least 0.1"]],
    ["HEARTBEAT_INTERVAL_SEC", "NaN", ["heartbeat.interval_sec", "NaN", "seconds"]],
    ["HEARTBEAT_INTERVAL_SEC", "Infinity", ["heartbeat.interval_sec", "Infinity", "seconds"]],
    ["HB_LOG_EVERY_SEC", "-1", ["heartbeat.log_every_sec", "-1", "at least 0"]],
    ["SUPERVISOR_ENABLED", "maybe", ["restart.enabled", '"maybe"', "true or false"]],
    ["RESTART_BACKOFF_SECS", "5,x", ["restart.backoff_sec", "5", "numbers of seconds"]],
    ["RUNBEAT_LOG_LEVEL", "loud", ["log_level", '"loud"', "one of trace, debug, info"]],
    ["RUNBEAT_SUBJECT_PREFIX", "a.b", ["nats.subject_prefix", '"a.b"', "A-Z a-z 0-9"]],
    ["RUNNER_HEARTBEAT_URL", "ftp://x", ["ingest.heartbeat_url", "ftp://x", "http://"]],
  ];

  it.each(wrong)("is refused: %s=%s", (name, value, parts) => {
    const message = refusal({ [name]: value });
    for (const part of [name, ...parts]) expect(message).toContain(part);
  });

  function refusal(environment: Record<string, string>): string {
    try {
      fromEnvironment(environment);
    } catch (error) {
      expect(error).toMatchObject({ code: "invalid" });
      return (error as Error).message;
    }
    throw new Error("was accepted");
  }

  it("in the file names the key, the value, the file and what is allowed", () => {
    const file = yaml("http:\n  port: many\n");
    expect(() => loadSettings({ file, environment: {} })).toThrow(
      `http.port (in ${file}) is "many", but must be a whole number from 0 to 65535`,
    );
  });

  it("of a secret is not shown", () => {
    const file = yaml("ingest:\n  heartbeat_key: [hunter2]\n");
    expect(() => loadSettings({ file, environment: {} })).toThrow(/heartbeat_key.*not shown/);
    expect(() => loadSettings({ file, environment: {} })).not.toThrow(/hunter2/);
  });

  it("that fits alone but not with the others is refused: thresholds out of order", () => {
    expect(refusal({ HEARTBEAT_ONLINE_SEC: "60" })).toMatch(/online_sec \(60\).*stale_sec \(45\)/);
    expect(refusal({ HEARTBEAT_OFFLINE_SEC: "45" })).toContain("offline_sec (45)");
  });

  it("that fits alone but not with the others is refused: half a login", () => {
    expect(refusal({ NATS_CERT: "c.pem" })).toContain("nats.tls_key");
    expect(refusal({ NATS_PASSWORD: "p" })).toContain("nats.user");
  });

  it("that fits alone but not with the others is refused: a warning after the error", () => {
    expect(refusal({ RUNBEAT_CHECKS_DISK_WARN_PERCENT: "97" })).toContain(
      "checks.disk_warn_percent (97) must not be above checks.disk_error_percent (95)",
    );
  });

  it("is a database that is not SQLite, and its password is not repeated", () => {
    const message = refusal({ RUNBEAT_DATABASE_URL: "postgres://me:hunter2@db/x" });
    expect(message).toContain('"postgres"');
    expect(message).toContain("SQLite");
    expect(message).not.toContain("hunter2");
  });

  it("is no error but a warning where runners beat less often than online allows", () => {
    const { warnings } = fromEnvironment({ HEARTBEAT_INTERVAL_SEC: "20" });
    expect(warnings[0]).toContain("heartbeat.interval_sec (20)");
  });
});

describe("a file", () => {
  it.each([
    ["htpp:\n  port: 1\n", /unknown key "htpp".*Did you mean "http"/],
    ["http:\n  prot: 1\n", /unknown key "http\.prot".*Did you mean "http\.port"/],
    ["zzzzzzzzzz: 1\n", /unknown key "zzzzzzzzzz"\. All keys/],
    ["http: 5\n", /http is 5, but must be a mapping/],
    ["- a\n", /the file is \["a"\], but must be a mapping/],
    ["http: {port: 1\n", /not valid YAML/],
    ["http:\n  port: 1\n  port: 2\n", /not valid YAML.*unique/],
  ])("with %j is refused", (text, message) => {
    expect(() => loadSettings({ file: yaml(text), environment: {} })).toThrow(message);
  });

  it("that is missing is an error with its name", () => {
    const file = join(folder, "none.yaml");
    expect(() => loadSettings({ file, environment: {} })).toThrow(/none\.yaml can't be read/);
  });

  it("may hold durations, sizes and ingest keys", () => {
    const sha256 = "a".repeat(64);
    const file = yaml(
      `streams: {heartbeats: {max_age_sec: 2h, max_bytes: 1GiB}}\n` +
        `ingest: {keys: [{id: dock, sha256: "${sha256}", runners: ["camera/*/hd"]}]}\n`,
    );
    const { settings } = loadSettings({ file, environment: {} });
    expect(settings.streams.heartbeats).toMatchObject({ maxAgeSec: 7_200, maxBytes: 2 ** 30 });
    expect(settings.ingest.keys).toEqual([
      { id: "dock", sha256, scopes: ["heartbeat", "register"], runners: ["camera/*/hd"] },
    ]);
  });
});
