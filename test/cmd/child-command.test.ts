import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { startChildCommand } from "../../cmd/child-command.ts";
import type { RunningCommand } from "../../cmd/child-command.ts";
import { createLog } from "../../cmd/log.ts";
import { ownProgram } from "../../cmd/own-program.ts";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { bareEnvironment } from "./command-line.ts";

let running: RunningCommand | undefined;

afterEach(async () => {
  await running?.stop();
});

/** A projector that waits for a NATS that never comes. */
function start(env: Record<string, string> = {}): RunningCommand {
  running = startChildCommand({
    name: "projector",
    args: [],
    env: bareEnvironment({
      NATS_URL: "nats://127.0.0.1:9",
      RUNBEAT_DATA_DIR: makeTempDir("child"),
      RUNBEAT_LOG_LEVEL: "silent",
      ...env,
    }),
    log: createLog("silent", "test"),
  });
  return running;
}

describe("a child command", () => {
  it("is our own program, with no more of V8's helpers than there are other cores", () => {
    const { file, args } = ownProgram();
    const commandLine = readFileSync(`/proc/${start().pid()}/cmdline`, "utf8").split("\0");
    expect(commandLine.slice(0, -1)).toEqual([file, ...args, "projector"]);
  });

  it("is started again when it is killed", async () => {
    const child = start();
    const first = child.pid();
    if (first === undefined) throw new Error("was not started");
    process.kill(first, "SIGKILL");
    const second = await waitFor(() => {
      const pid = child.pid();
      return pid !== first && pid;
    });
    expect(isProcessAlive(second)).toBe(true);
  });

  it("ends when it is stopped, and stays so", async () => {
    const child = start();
    const pid = child.pid() ?? 0;
    await child.stop();
    expect(isProcessAlive(pid)).toBe(false);
  });

  it("is given up where it refuses its configuration", async () => {
    const child = start({ RUNBEAT_HTTP_PORT: "many" });
    await expect(child.failed).rejects.toMatchObject({ code: "invalid" });
  });
});
