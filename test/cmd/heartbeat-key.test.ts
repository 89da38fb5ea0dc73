import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { heartbeatKey } from "../../cmd/heartbeat-key.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import { makeTempDir } from "../support/temp-dir.ts";

function installation(environment: Record<string, string> = {}) {
  const dataDir = join(makeTempDir("key"), "data");
  const { settings } = loadSettings({
    environment: { RUNBEAT_DATA_DIR: dataDir, ...environment },
  });
  return { settings, paths: pathsOf(settings) };
}

describe("the heartbeat key", () => {
  it("is the configured one, and then none is written", () => {
    const given = installation({ RUNNER_HEARTBEAT_KEY: "mine" });
    expect(heartbeatKey(given)).toBe("mine");
    expect(statSync(given.paths.heartbeatKeyFile, { throwIfNoEntry: false })).toBeUndefined();
  });

  it("is generated once where none is set, and stays the same", () => {
    const fresh = installation();
    const key = heartbeatKey(fresh);
    expect(key).toMatch(/^[\w-]{32}$/);
    expect(heartbeatKey(fresh)).toBe(key);
    expect(heartbeatKey(installation())).not.toBe(key);
  });

  it("is readable by its owner only", () => {
    const fresh = installation();
    heartbeatKey(fresh);
    expect(statSync(fresh.paths.heartbeatKeyFile).mode & 0o777).toBe(0o600);
  });

  it("that is empty is an error that says what to do", () => {
    const broken = installation();
    heartbeatKey(broken);
    writeFileSync(broken.paths.heartbeatKeyFile, "\n");
    expect(() => heartbeatKey(broken)).toThrow(/heartbeat\.key.*set RUNNER_HEARTBEAT_KEY/);
  });
});
