import { afterEach, describe, expect, it } from "vitest";
import { openHealthChecks, withHealth } from "../../cmd/health-checks.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import type { HealthChecker } from "../../lib/runner/health-check.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** No connection leads there from anywhere, which the kernel knows at once. */
const NOWHERE = "255.255.255.255:4222";

const opened: HealthChecker[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((checker) => checker.stop()));
});

async function look(env: Record<string, string>): Promise<HealthChecker> {
  const environment = { RUNBEAT_DATA_DIR: makeTempDir("data"), ...env };
  const { settings } = loadSettings({ environment });
  const checker = openHealthChecks({ settings, paths: pathsOf(settings) }, () => {});
  opened.push(checker);
  await checker.look();
  return checker;
}

function messageOf(checker: HealthChecker, check: string): string {
  return checker.latest().find((result) => result.check === check)?.message ?? "";
}

describe("the checks of a host, as the settings say", () => {
  it("reach for the NATS servers unless told otherwise, and name no login of theirs", async () => {
    const checker = await look({ NATS_URL: `nats://me:hunter2@${NOWHERE}` });
    expect(messageOf(checker, "network")).toBe(`Network fails: ${NOWHERE} (ENETUNREACH)`);
    expect(JSON.stringify(checker.results())).not.toContain("hunter2");
  });

  it("reach for what is configured, of which one is enough", async () => {
    const reach = `${NOWHERE}, localhost`;
    const checker = await look({ RUNBEAT_CHECKS_REACH: reach, NATS_URL: `nats://${NOWHERE}` });
    expect(checker.checks()).toMatchObject({ network: true });
  });

  it("need no more than loopback beside the embedded server", async () => {
    expect((await look({})).checks()).toMatchObject({ network: true });
  });

  it("do without a data folder, as a runner alone on its host does", async () => {
    const checker = await look({ RUNBEAT_DATA_DIR: "/no/such/folder" });
    expect(checker.checks()).toMatchObject({ file_permissions: true });
  });

  it("have their limits from the settings", async () => {
    const limits = {
      RUNBEAT_CHECKS_DISK_WARN_PERCENT: "1",
      RUNBEAT_CHECKS_MEMORY_WARN_PERCENT: "1",
      RUNBEAT_CHECKS_MEMORY_ERROR_PERCENT: "1",
    };
    const checker = await look(limits);
    expect(messageOf(checker, "memory")).toMatch(/^Memory \d+% used, limit 1%$/);
    expect(checker.checks()).toMatchObject({ memory: false });
  });

  it("stand in a heartbeat beside what it says already", async () => {
    const checker = await look({});
    const part = withHealth({ checks: { probe: false }, resources: { memory_mb: 5 } }, checker);
    expect(part.checks).toMatchObject({ probe: false, network: true });
    expect(part.resources).toEqual({
      memory_mb: 5,
      disk_free_percent: expect.any(Number) as number,
    });
  });
});
