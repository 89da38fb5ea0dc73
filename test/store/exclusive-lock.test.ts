import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { takeExclusiveLock } from "../../lib/store/exclusive-lock.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const folder = makeTempDir("lock");
const built = join(
  resolve(import.meta.dirname, "../.."),
  "dist",
  "lib",
  "store",
  "exclusive-lock.js",
);

describe("an exclusive lock", () => {
  it("is held by one at a time, and free again when it is released", () => {
    const file = join(folder, "one", "up.lock");
    const first = takeExclusiveLock(file);
    expect(first).toBeDefined();
    expect(takeExclusiveLock(file)).toBeUndefined();
    first?.release();
    const second = takeExclusiveLock(file);
    expect(second).toBeDefined();
    second?.release();
  });

  it("dies with its holder, even one that is killed", async () => {
    const file = join(folder, "killed.lock");
    const script = `
      const { takeExclusiveLock } = await import(${JSON.stringify(built)});
      const state = takeExclusiveLock(${JSON.stringify(file)}) === undefined ? "busy" : "held";
      globalThis.gc();
      console.log(state);
      setInterval(() => {}, 1_000);
    `;
    const args = ["--expose-gc", "--input-type=module", "-e", script];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    expect(line.toString().trim()).toBe("held");
    expect(takeExclusiveLock(file)).toBeUndefined();
    child.kill("SIGKILL");
    const lock = await waitFor(() => takeExclusiveLock(file), { what: "the lock of the dead" });
    lock.release();
  });

  it("says which file it can't make", () => {
    expect(() => takeExclusiveLock("/dev/null/up.lock")).toThrow(/\/dev\/null\/up\.lock/);
  });
});
