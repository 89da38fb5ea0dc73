import { existsSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunReport } from "../../lib/enforcer/driver.ts";
import { listRuns, pruneRuns } from "../../lib/enforcer/run-files.ts";
import { hostProcesses } from "../../lib/runner/host-processes.ts";
import { isProcessAlive, readProcessStat, startedAtOf } from "../../lib/runner/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { ID, openDriver } from "./driver-rig.ts";

const SLEEP = `runners: { ${ID}: { command: [sleep, "100"] } }`;

describe("the process driver", () => {
  it("starts a command under its wrapper and tells of the command itself, secrets masked", async () => {
    const rig = await openDriver(`
runners:
  ${ID}:
    command: [sh, -c, "echo token is \${API_TOKEN}; echo bad >&2; exec sleep 100", "\${API_TOKEN}"]
    env: { MODE: live, EXTRA: "\${API_TOKEN}" }
`);
    expect(rig.driver.observe(ID)).toEqual({ kind: "none" });
    rig.start(ID, 2);
    expect(rig.driver.observe(ID)).toMatchObject({ kind: "running", pid: null });
    const pid = await rig.pid();
    expect(rig.told).toMatchObject([
      {
        runner: ID,
        process: { pid, startedAt: startedAtOf(pid) },
        report: {
          event: "spawned",
          argv: ["sh", "-c", "echo token is ***; echo bad >&2; exec sleep 100", "***"],
          env: { MODE: "live", EXTRA: "***" },
          attempt: 2,
        },
      },
    ]);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain("EXTRA=s3cret");
    await waitFor(() => /^\S+Z out token is \*\*\*$/m.test(rig.log()));
    await waitFor(() => /^\S+Z err bad$/m.test(rig.log()));
    expect(everythingIn(rig.runsDir)).not.toContain("s3cret");
  });

  it("leaves a second start alone while a run lives", async () => {
    const rig = await openDriver(SLEEP);
    rig.start();
    const pid = await rig.pid();
    rig.start();
    expect(await rig.pid()).toBe(pid);
    expect(listRuns(rig.runsDir, ID)).toHaveLength(1);
  });

  it("tells how a command ended, with its last words, once", async () => {
    const rig = await openDriver(`
runners: { ${ID}: { command: [sh, -c, "echo hello; echo no database at me:s3cret@db >&2; exit 4"] } }`);
    rig.start();
    expect(await rig.ended()).toMatchObject({ reason: "exit code 4", isPermanent: false });
    expect(rig.events()).toEqual(["spawned", "exited"]);
    expect(rig.told[1]?.report).toMatchObject({ exit_code: 4, signal: null, stdout: ["hello"] });
    expect(new Set(rig.told.map(({ id }) => id)).size).toBe(2);
    await waitFor(() => rig.record().isTold);
    rig.driver.settle(ID);
    expect(rig.driver.observe(ID)).toEqual({ kind: "none" });
    rig.start();
    await rig.ended();
    expect(listRuns(rig.runsDir, ID)).toHaveLength(2);
  });

  it("takes the stop ladder through everything that a deaf command has started", async () => {
    const rig = await openDriver(`
runners:
  ${ID}:
    command: [sh, -c, "trap '' TERM; setsid sleep 100 & echo $! > $FOLDER/far; sleep 100 & wait; wait"]
    env: { FOLDER: "\${FOLDER}" }
`);
    rig.start();
    const pid = await rig.pid();
    const far = await waitFor(() => Number(readFileSync(join(rig.folder, "far"), "utf8")) || null);
    await rig.driver.stop(ID, "asked to");
    expect(isProcessAlive(pid)).toBe(false);
    expect(isProcessAlive(far)).toBe(false);
    expect(rig.events()).toEqual(["spawned", "stopping", "exited"]);
    expect(rig.told[2]?.report).toMatchObject({ exit_code: null, signal: "SIGKILL" });
  });

  it("loses no command to a wrapper that is killed", async () => {
    const rig = await openDriver(`
runners: { ${ID}: { command: [sh, -c, "trap '' TERM; sleep 100; sleep 100"] } }`);
    rig.start();
    const pid = await rig.pid();
    process.kill(rig.record().process.pid, "SIGKILL");
    expect((await rig.ended()).reason).toBe("its wrapper ended by SIGKILL");
    expect(isProcessAlive(pid)).toBe(false);
    expect(rig.events()).toEqual(["spawned", "lost"]);
    expect(rig.told[1]).toMatchObject({ process: { pid } });
  });

  it("kills a wrapper that hangs, and its command with it", async () => {
    const rig = await openDriver(SLEEP);
    rig.start();
    const pid = await rig.pid();
    process.kill(rig.record().process.pid, "SIGSTOP");
    await rig.driver.stop(ID, "asked to");
    expect(isProcessAlive(pid)).toBe(false);
    expect(rig.events()).toEqual(["spawned", "stopping", "exited"]);
  });

  it("wraps a command that beats by itself, and hands it what it needs", async () => {
    const rig = await openDriver(`
runners:
  ${ID}: { command: [sh, -c, "env > $FOLDER/env; exec sleep 100"], env: { FOLDER: "\${FOLDER}" }, beats: self }
`);
    rig.start();
    const pid = await rig.pid();
    expect(rig.told[0]?.report).toMatchObject({
      env: { RUNBEAT_RUNNER: ID, RUNNER_HEARTBEAT_KEY: "***" },
    });
    const file = join(rig.folder, "env");
    const env = await waitFor(() => (existsSync(file) ? readFileSync(file, "utf8") : "") || null);
    expect(env).toContain(`RUNBEAT_RUNNER=${ID}`);
    expect(env).toContain("RUNNER_HEARTBEAT_KEY=s3cret");
    expect(readProcessStat(pid)?.parentPid).toBe(rig.record().process.pid);
  });

  it("says why a command can't be started at all", async () => {
    const rig = await openDriver(`
runners:
  ${ID}: { command: ["true"], cwd: /no/such/folder }
  process/b/default: { command: [/no/such/program] }
`);
    rig.start();
    expect((await rig.ended()).reason).toMatch(
      /^could not be started: true could not be started in \/no\/such\/folder/,
    );
    expect(rig.events()).toEqual(["failed"]);
    const other = parseRunnerId("process/b/default");
    rig.start(other);
    expect(await rig.ended(other)).toMatchObject({ reason: "exit code 127" });
  });

  it("says why its own program can't be started, and leaves nothing half done", async () => {
    const own = { file: "/no/such/node", args: [], env: {} };
    const rig = await openDriver(SLEEP, { own });
    rig.start();
    expect((await rig.ended()).reason).toMatch(/^could not be started: \/no\/such\/node could not/);
    expect(rig.told).toMatchObject([{ process: null, report: { event: "failed" } }]);
  });

  it("goes on with a command although the disk is full", async () => {
    const rig = await openDriver(
      `runners: { ${ID}: { command: [sh, -c, "seq 9999; sleep 0.5; seq 9999; exit 3"] } }`,
      {
        host: {
          ...hostProcesses,
          start(command) {
            symlinkSync("/dev/full", command.outputFile);
            return hostProcesses.start(command);
          },
        },
      },
    );
    rig.start();
    expect(await rig.ended()).toMatchObject({ reason: "exit code 3" });
    expect(rig.events()).toEqual(["spawned", "exited"]);
  });

  it("runs a camera, asks it to reconnect, and leaves no FFmpeg when it is killed", async () => {
    const id = parseRunnerId("camera/pattern/demo");
    const rig = await openDriver(`
runners: { ${id}: { camera: { url: "testsrc2=size=160x90:rate=5", input_format: lavfi } } }`);
    rig.start(id);
    expect(rig.driver.reconnect(id)).toBe(false);
    const pid = await rig.pid(id);
    const isOnline = ({ report }: RunReport) =>
      report.event === "camera" && report.to === "healthy";
    await waitFor(() => rig.told.some(isOnline));
    expect(rig.told[0]?.report).toMatchObject({ event: "spawned", pid });
    await waitFor(() => /^\S+Z err info: the camera is healthy/m.test(rig.log(id)));
    const { mark } = rig.record(id);
    expect(hostProcesses.signalMarked(mark, 0)).toBeGreaterThanOrEqual(2);
    expect(rig.driver.reconnect(id)).toBe(true);
    process.kill(pid, "SIGKILL");
    expect((await rig.ended(id)).reason).toBe("SIGKILL");
    expect(hostProcesses.signalMarked(mark, 0)).toBe(0);
    rig.start(id, 1);
    await rig.pid(id);
    await rig.driver.stop(id, "over");
    expect(rig.events(id).slice(-2)).toEqual(["stopping", "exited"]);
    expect(rig.told.at(-1)?.report).toMatchObject({ exit_code: 0 });
  });

  it("keeps a bounded number of runs, and those that are not told yet", async () => {
    const rig = await openDriver(`runners: { ${ID}: { command: ["true"] } }`, {
      own: { file: "/no/such/node", args: [], env: {} },
    });
    for (let i = 0; i < 15; i++) {
      rig.start();
      await rig.ended();
    }
    await waitFor(() => rig.record().isTold);
    pruneRuns(rig.runsDir, ID);
    expect(listRuns(rig.runsDir, ID).length).toBeLessThanOrEqual(10);
  });
});

function everythingIn(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .join("\n");
}
