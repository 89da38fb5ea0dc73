import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ChildGroup } from "../../lib/core/child-group.ts";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { isGroupAlive, isProcessAlive } from "../../lib/runner/process-identity.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { builtFile } from "./built-program.ts";

let module = "";

beforeAll(async () => {
  module = await builtFile("lib/runner/child-group.ts");
});

function shell(script: string): ChildGroup {
  return spawnGroup({
    file: "/bin/sh",
    args: ["-c", script],
    stdio: ["ignore", "pipe", "ignore"],
  });
}

async function firstLine(group: ChildGroup): Promise<string> {
  let text = "";
  group.output(1).on("data", (chunk: Buffer) => (text += chunk.toString()));
  return await waitFor(() => (text.includes("\n") ? text.trim() : undefined));
}

describe("a child process group", () => {
  it("tells how its leader ended, with the leader's own pid", async () => {
    const failing = shell("echo $$; exit 7");
    expect(Number(await firstLine(failing))).toBe(failing.pid);
    expect(await failing.ended).toEqual({ code: 7, signal: null });
    expect(await shell("kill -9 $$").ended).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("gives 127 for a command that does not exist, as a shell does", async () => {
    const group = spawnGroup({ file: "/no/such/program", args: [], stdio: ["ignore"] });
    expect(await group.ended).toEqual({ code: 127, signal: null });
  });

  it("refuses a folder that does not exist", () => {
    const start = () => spawnGroup({ file: "true", args: [], cwd: "/no/such", stdio: ["ignore"] });
    expect(start).toThrow(/true could not be started in \/no\/such/);
  });

  it("is ended as a whole, what its leader left behind included", async () => {
    const group = shell("sleep 100 & sleep 100 & echo up; wait");
    await firstLine(group);
    expect(await group.stop()).toEqual({ code: null, signal: "SIGTERM" });
    expect(isGroupAlive(group.pid)).toBe(false);

    const orphaning = shell("sleep 100 & echo up");
    expect(await orphaning.ended).toEqual({ code: 0, signal: null });
    expect(isGroupAlive(orphaning.pid)).toBe(true);
    expect(await orphaning.stop()).toEqual({ code: 0, signal: null });
    expect(isGroupAlive(orphaning.pid)).toBe(false);
  });

  it("ends although it is stopped", async () => {
    const group = shell("echo up; exec sleep 100");
    await firstLine(group);
    group.signal("SIGSTOP");
    const startedAt = performance.now();
    expect(await group.stop()).toEqual({ code: null, signal: "SIGTERM" });
    expect(performance.now() - startedAt).toBeLessThan(1_900);
  });

  it.concurrent(
    "is killed five seconds after it was first asked, whatever it ignores",
    async () => {
      const group = shell(`trap "" TERM; echo up; while :; do sleep 0.1; done`);
      await firstLine(group);
      const startedAt = performance.now();
      expect(await group.stop()).toEqual({ code: null, signal: "SIGKILL" });
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeGreaterThan(4_900);
      expect(tookMs).toBeLessThan(6_500);
    },
  );

  it.concurrent(
    "does not outlive us when we are killed, deaf ones and grandchildren included",
    async ({ onTestFinished }) => {
      const folder = makeTempDir("guard");
      const script = `trap "" TERM; sleep 100 & echo $! > ${folder}/child; echo $$ > ${folder}/leader; wait; wait`;
      const host = join(folder, "host.mjs");
      writeFileSync(
        host,
        `import { spawnGroup } from ${JSON.stringify(module)};
       spawnGroup({ file: "/bin/sh", args: ["-c", ${JSON.stringify(script)}], stdio: ["ignore"] });
       setInterval(() => {}, 1000);`,
      );
      const parent = spawn(process.execPath, [host], { stdio: "ignore" });
      const pidIn = (name: string) => Number(readFileSync(join(folder, name), "utf8")) || undefined;
      const leader = await waitFor(() => pidIn("leader"));
      onTestFinished(() => {
        if (isGroupAlive(leader)) process.kill(-leader, "SIGKILL");
      });
      const child = await waitFor(() => pidIn("child"));
      parent.kill("SIGKILL");
      await waitFor(() => !isProcessAlive(child), { timeoutMs: 8_000 });
      await waitFor(() => !isProcessAlive(leader), { timeoutMs: 8_000 });
    },
  );
});
