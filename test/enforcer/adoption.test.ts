import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatReport } from "../../lib/core/supervision.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunReport } from "../../lib/enforcer/driver.ts";
import { ReportReader } from "../../lib/enforcer/report-reader.ts";
import { listRunners, runFiles, writeRecord } from "../../lib/enforcer/run-files.ts";
import { hostProcesses } from "../../lib/runner/host-processes.ts";
import { isProcessAlive, kernelIdentityOf } from "../../lib/runner/process-identity.ts";
import { openReportFile } from "../../lib/runner/report-file.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { ID, abandon, openDriver } from "./driver-rig.ts";

const SLEEP = `runners: { ${ID}: { command: [sleep, "100"] } }`;
const NO_FLEET = "runners: {}";

describe("after another enforcer", () => {
  it("takes over what lives, follows it and ends it", async () => {
    const before = await openDriver(SLEEP);
    before.start(ID, 1);
    const pid = await before.pid();
    const since = before.record().run;
    await waitFor(() => before.record().seen === 1);
    await abandon(before);
    const rig = await openDriver(SLEEP, {}, before);
    expect(rig.driver.observe(ID)).toEqual({ kind: "running", since, pid });
    expect(rig.events()).toEqual(["adopted"]);
    expect(rig.told[0]).toMatchObject({ process: { pid } });
    rig.start();
    expect(await rig.pid()).toBe(pid);
    await rig.driver.stop(ID, "asked to");
    expect(isProcessAlive(pid)).toBe(false);
    expect(rig.events()).toEqual(["adopted", "stopping", "exited"]);
    expect(rig.told[2]?.report).toMatchObject({ signal: "SIGTERM" });
  });

  it("takes over what is in no fleet file any more, so that it can be ended", async () => {
    const before = await openDriver(SLEEP);
    before.start();
    const pid = await before.pid();
    await abandon(before);
    const changed: string[] = [];
    const hooks = { onReport: () => {}, onChange: (runner: string) => void changed.push(runner) };
    const rig = await openDriver(NO_FLEET, { hooks }, before);
    expect(changed).toContain(ID);
    await rig.driver.stop(ID, "not in the fleet");
    expect(isProcessAlive(pid)).toBe(false);
  });

  it("sees the end of what it took over, and how it ended", async () => {
    const before = await openDriver(SLEEP);
    before.start();
    const pid = await before.pid();
    await abandon(before);
    const rig = await openDriver(SLEEP, {}, before);
    process.kill(pid, "SIGINT");
    expect(await rig.ended()).toMatchObject({ reason: "SIGINT" });
    expect(rig.events().slice(-2)).toEqual(["adopted", "exited"]);
  });

  it("tells what ended meanwhile as it told it itself, once and for all", async () => {
    const before = await openDriver(`
runners: { ${ID}: { command: [sh, -c, "echo bye >&2; sleep 0.3; exit 5"] } }`);
    before.start();
    const wrapper = before.record().process;
    await before.pid();
    await waitFor(() => before.record().seen === 1);
    await abandon(before);
    await waitFor(() => !isProcessAlive(wrapper.pid));
    const rig = await openDriver(NO_FLEET, {}, before);
    expect(await rig.ended()).toMatchObject({ reason: "exit code 5" });
    expect(rig.events()).toEqual(["exited"]);
    expect(rig.told[0]?.report).toMatchObject({ exit_code: 5, stderr: ["bye"] });
    await waitFor(() => rig.record().isTold);
    await abandon(rig);

    const third = await openDriver(NO_FLEET, {}, before);
    expect(third.driver.observe(ID)).toMatchObject({ kind: "ended", reason: "exit code 5" });
    third.driver.settle(ID);
    await abandon(third);

    const fourth = await openDriver(NO_FLEET, {}, before);
    expect(fourth.driver.observe(ID)).toEqual({ kind: "none" });
    expect([...third.told, ...fourth.told]).toEqual([]);
  });

  it("tells no second end where the first was told before the wrapper was gone", async () => {
    let killed: Promise<void> | undefined;
    const onReport = ({ report }: RunReport): void => {
      if (report.event === "exited") killed = abandon(before);
    };
    const before = await openDriver(`runners: { ${ID}: { command: [sh, -c, "exit 5"] } }`, {
      hooks: { onReport, onChange: () => {} },
    });
    before.start();
    await waitFor(() => killed !== undefined);
    await killed;
    expect(before.record()).toMatchObject({ seen: 2, end: null });
    const rig = await openDriver(NO_FLEET, {}, before);
    expect(await rig.ended()).toMatchObject({ reason: "exit code 5" });
    expect(rig.events().filter((event) => event !== "adopted")).toEqual([]);
  });

  it("ends what a wrapper that was killed meanwhile has left, and says that it is lost", async () => {
    const script = "trap '' TERM; setsid sleep 100 & echo $! > $FOLDER/far; sleep 100; sleep 100";
    const before = await openDriver(`
runners: { ${ID}: { command: [sh, -c, "${script}"], env: { FOLDER: "\${FOLDER}" } } }`);
    before.start();
    const pid = await before.pid();
    const far = await waitFor(
      () => Number(readFileSync(join(before.folder, "far"), "utf8")) || null,
    );
    await waitFor(() => before.record().seen === 1);
    await abandon(before);
    process.kill(before.record().process.pid, "SIGKILL");
    const rig = await openDriver(NO_FLEET, {}, before);
    expect((await rig.ended()).reason).toBe("its wrapper is gone, and nobody saw how it ended");
    expect(isProcessAlive(pid)).toBe(false);
    expect(isProcessAlive(far)).toBe(false);
    expect(rig.told.filter(({ report }) => report.event === "lost")).toMatchObject([
      { process: { pid } },
    ]);
  });

  it("hands over again what the other could not deliver, by the same id", async () => {
    const undelivered: RunReport[] = [];
    const never = new Promise<void>(() => {});
    const onReport = (report: RunReport) => {
      undelivered.push(report);
      return never;
    };
    const before = await openDriver(`runners: { ${ID}: { command: ["true"] } }`, {
      hooks: { onReport, onChange: () => {} },
    });
    before.start();
    await before.ended();
    await abandon(before);
    const rig = await openDriver(NO_FLEET, {}, before);
    await waitFor(() => rig.told.length === 2);
    expect(rig.told.map(({ id }) => id)).toEqual(undelivered.map(({ id }) => id));
  });

  it("never touches a process that has the pid of one of ours, nor what carries no mark", async () => {
    const stranger = spawn("sleep", ["100"], { stdio: "ignore", detached: true });
    const identity = kernelIdentityOf(stranger.pid ?? 0);
    if (identity === undefined) throw new Error("sleep did not start");
    const before = await openDriver(SLEEP);
    before.start();
    await before.pid();
    await before.driver.stop(ID, "over");
    const { pid } = identity;
    const beats = { pid, startedAt: 1, startTicks: identity.startTicks - 1 };
    const alive = { ...before.record(), end: null, isTold: false, lastWords: null, seen: 9, beats };
    const reused = { ...alive, run: alive.run + 1, process: { ...identity, startTicks: 1 } };
    const unmarked = { ...alive, run: alive.run + 2, process: identity };
    const rebooted = { ...alive, run: alive.run + 3, process: { ...identity, bootId: "other" } };
    for (const record of [reused, unmarked, rebooted]) writeRecord(before.runsDir, record);
    await abandon(before);
    const rig = await openDriver(NO_FLEET, {}, before);
    expect((await rig.ended()).reason).toBe("the host was started anew");
    await waitFor(() => rig.events().filter((event) => event === "lost").length === 3);
    await rig.driver.stop(ID, "over");
    expect(isProcessAlive(pid)).toBe(true);
    hostProcesses.signal(identity, "no-such-mark", "SIGKILL");
    expect(isProcessAlive(pid)).toBe(true);
    stranger.kill("SIGKILL");
  });

  it("forgets a runner a week after it has left the fleet file", async () => {
    const before = await openDriver(`runners: { ${ID}: { command: ["true"] } }`);
    before.start();
    await before.ended();
    await waitFor(() => before.record().isTold);
    await abandon(before);
    const record = before.record();
    const aWeekAgo = Date.now() - 8 * 86_400_000;
    const end = { at: aWeekAgo, ranSec: 1, reason: "exit code 0", isPermanent: false };
    writeRecord(before.runsDir, { ...record, end });
    await abandon(await openDriver(SLEEP, {}, before));
    expect(listRunners(before.runsDir)).toEqual([ID]);
    await abandon(await openDriver(NO_FLEET, {}, before));
    expect(listRunners(before.runsDir)).toEqual([]);
  });

  it("is not put off by what lies among the runs and is none", async () => {
    const rig = await openDriver(NO_FLEET);
    for (const name of ["robot.a.b", "process.a", "process.b.default"]) {
      mkdirSync(join(rig.runsDir, name), { recursive: true });
      writeFileSync(join(rig.runsDir, name, "7.json"), "{");
    }
    await abandon(rig);
    const again = await openDriver(NO_FLEET, {}, rig);
    expect(again.told).toEqual([]);
    expect(again.driver.observe(parseRunnerId("process/b/default"))).toEqual({ kind: "none" });
  });
});

describe("a report file", () => {
  it("is read once each, in order, over being set aside and over half a line", () => {
    const path = runFiles(makeTempDir("reports"), ID, 1).reports;
    const file = openReportFile(path, (error) => {
      throw error;
    });
    const reader = new ReportReader(path, 0);
    const seen: number[] = [];
    for (let i = 0; i < 6_000; i++) {
      file.report({ event: "throttle", on: true, reason: "x".repeat(60) });
      if (i % 1_500 === 0) seen.push(...reader.read().map(({ seq }) => seq));
    }
    appendFileSync(path, '{"seq": 60');
    seen.push(...reader.read().map(({ seq }) => seq));
    appendFileSync(path, `\n${formatReport({ seq: 6_001, at: 1, report: { event: "adopted" } })}`);
    seen.push(...reader.read().map(({ seq }) => seq));
    file.close();
    expect(seen).toEqual(Array.from({ length: 6_001 }, (_, index) => index + 1));
    expect(reader.read()).toEqual([]);
  });
});
