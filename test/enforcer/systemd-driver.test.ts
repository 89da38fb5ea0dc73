import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Driver } from "../../lib/enforcer/driver.ts";
import { createSystemdDriver } from "../../lib/enforcer/systemd-driver.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { makeUnitRig } from "./unit-rig.ts";
import type { UnitRig } from "./unit-rig.ts";

const ID = "service/db/main";
const RUNNING = {
  LoadState: "loaded",
  ActiveState: "active",
  SubState: "running",
  Result: "success",
  MainPID: "4711",
  ExecMainCode: "0",
  ExecMainStatus: "0",
  ExecMainStartTimestamp: "Sun 2026-11-22 08:50:35 UTC",
};

/** A systemctl that shows what a file says, and notes what it is told to do. */
class FakeSystemctl {
  readonly folder = makeTempDir("systemctl");
  readonly path = join(this.folder, "systemctl");

  constructor(orders = "") {
    const script = `#!/bin/sh
if [ "$1" = show ]; then cat ${this.folder}/shown; exit 0; fi
echo "$1 $4" >> ${this.folder}/orders
${orders}
cp ${this.folder}/after-$1 ${this.folder}/next && mv ${this.folder}/next ${this.folder}/shown
`;
    writeFileSync(this.path, script);
    chmodSync(this.path, 0o755);
    this.write("after-start", RUNNING);
    this.write("after-stop", { ...RUNNING, ...STOPPED });
  }

  show(properties: Record<string, string>): void {
    this.write("shown", properties);
  }

  orders(): string {
    const file = join(this.folder, "orders");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  private write(name: string, properties: Record<string, string>): void {
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
    // In one step: it is read at any moment.
    writeFileSync(join(this.folder, "written"), lines.join(""));
    renameSync(join(this.folder, "written"), join(this.folder, name));
  }
}

const STOPPED = { ActiveState: "inactive", SubState: "dead", MainPID: "0", ExecMainCode: "1" };

const drivers: Driver[] = [];

afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
});

async function drive(systemctl: string): Promise<{ driver: Driver; rig: UnitRig }> {
  const rig = makeUnitRig(ID, "{ systemd: { unit: db.service } }");
  const driver = createSystemdDriver({ ...rig.options, systemctl });
  drivers.push(driver);
  await driver.adopt([rig.entry]);
  return { driver, rig };
}

describe("the systemd driver", () => {
  it("starts a unit, beats for its main process, and stops it", async () => {
    const systemctl = new FakeSystemctl();
    systemctl.show({ ...RUNNING, ...STOPPED });
    const { driver, rig } = await drive(systemctl.path);
    const { runner } = rig.entry;
    expect(driver.observe(runner)).toEqual({ kind: "none" });
    driver.start(rig.entry, 2);
    await waitFor(() => rig.beating.length === 1);
    expect(rig.told).toMatchObject([
      {
        process: { pid: 4711, startedAt: Date.UTC(2026, 10, 22, 8, 50, 35) },
        report: { event: "spawned", attempt: 2, argv: ["systemd", "db.service"] },
      },
    ]);
    await driver.stop(runner, "asked to");
    expect(systemctl.orders()).toBe("start db.service\nstop db.service\n");
    expect(rig.events()).toEqual(["spawned", "stopping", "exited"]);
    expect(driver.observe(runner)).toMatchObject({ kind: "ended", reason: "exit code 0" });
    expect(rig.beating[0]?.isStopped).toBe(true);
  });

  it("sees how a unit fails", async () => {
    const systemctl = new FakeSystemctl();
    systemctl.show(RUNNING);
    const { driver, rig } = await drive(systemctl.path);
    expect(rig.events()).toEqual(["adopted"]);
    const failed = { ActiveState: "failed", Result: "signal", ExecMainCode: "2" };
    systemctl.show({ ...RUNNING, ...failed, ExecMainStatus: "11", MainPID: "0" });
    await waitFor(() => rig.events().includes("exited"));
    expect(rig.told.at(-1)?.report).toMatchObject({
      exit_code: null,
      signal: "SIGSEGV",
      stderr: ["systemd says: signal"],
    });
    expect(driver.observe(rig.entry.runner)).toMatchObject({ kind: "ended", reason: "SIGSEGV" });
  });

  it("takes an empty answer for none, and not for the end of the unit", async () => {
    const systemctl = new FakeSystemctl();
    systemctl.show(RUNNING);
    const { driver, rig } = await drive(systemctl.path);
    systemctl.show({});
    await waitFor(() => rig.warnings.length > 0);
    expect(rig.warnings).toEqual([expect.stringContaining("tells no ActiveState")]);
    expect(driver.observe(rig.entry.runner).kind).toBe("running");
    expect(rig.events()).toEqual(["adopted"]);
  });

  it("waits while systemd itself starts it again", async () => {
    const systemctl = new FakeSystemctl();
    systemctl.show(RUNNING);
    const { driver, rig } = await drive(systemctl.path);
    systemctl.show({ ...RUNNING, ActiveState: "activating", SubState: "auto-restart" });
    await waitFor(() => rig.beating[0]?.health() === null || null);
    expect(driver.observe(rig.entry.runner).kind).toBe("running");
    systemctl.show({ ...RUNNING, MainPID: "4712" });
    await waitFor(() => rig.beating.length === 2);
    expect(rig.events()).toEqual(["adopted", "lost", "adopted"]);
  });

  it.each([
    [
      "echo 'Failed to start db.service: Access denied' >&2; exit 4",
      /not allowed to this user: run/,
    ],
    ["echo 'Job for db.service failed.' >&2; exit 1", /^systemctl start fails: Job for db.service/],
  ])("says why a unit can't be started: %s", async (orders, message) => {
    const systemctl = new FakeSystemctl(orders);
    systemctl.show({ ...RUNNING, ...STOPPED });
    const { driver, rig } = await drive(systemctl.path);
    driver.start(rig.entry, 0);
    await waitFor(() => rig.events().includes("failed"));
    expect(rig.warnings).toEqual([expect.stringMatching(message)]);
  });

  it("says that there is no such unit", async () => {
    const systemctl = new FakeSystemctl();
    systemctl.show({ LoadState: "not-found", ActiveState: "inactive" });
    const { rig } = await drive(systemctl.path);
    expect(rig.warnings).toEqual([
      `systemd has no unit "db.service": install it, or correct its name in the fleet file`,
    ]);
  });

  it("says that there is no systemd", async () => {
    expect((await drive("/no/such/systemctl")).rig.warnings[0]).toMatch(
      /^There is no \/no\/such\/systemctl on this host/,
    );
    const systemctl = new FakeSystemctl();
    const text = "System has not been booted with systemd as init system (PID 1). Can't operate.";
    writeFileSync(systemctl.path, `#!/bin/sh\necho "${text}" >&2\nexit 1\n`);
    expect((await drive(systemctl.path)).rig.warnings[0]).toMatch(/^systemd does not run on this/);
  });
});
