import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { makeTempDir } from "../support/temp-dir.ts";
import { builtFile } from "./built-program.ts";

interface Package {
  readonly exports: Readonly<Record<string, { readonly default: string }>>;
}

/** Where the package's export is in a build. */
async function exported(name: string): Promise<string> {
  const text = readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8");
  const path = (JSON.parse(text) as Package).exports[name]?.default ?? "";
  return await builtFile(path.replace("./dist/", "").replace(/\.js$/, ".ts"));
}

/** Runs a program of its own to its end. */
async function run(source: string): Promise<{ code: number | null; stdout: string }> {
  const folder = makeTempDir("embedded");
  const file = join(folder, "host.mjs");
  writeFileSync(file, source);
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ["ignore", "pipe", 2] });
  let stdout = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { code, stdout };
}

describe("a program of one's own", () => {
  it("has the checks of its host, and is not kept alive by them", async () => {
    const { code, stdout } = await run(`
      import { startHealthChecks } from ${JSON.stringify(await exported("./health"))};
      const health = startHealthChecks({ dataDir: "." });
      await health.look();
      console.log(JSON.stringify(health.checks()));
    `);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ network: true, file_permissions: true });
  });

  it("has the resource guard, and is not kept alive by it", async () => {
    const { code, stdout } = await run(`
      import { startResourceGuard } from ${JSON.stringify(await exported("./resources"))};
      const guard = startResourceGuard();
      const door = guard.watch({
        frames: () => 0,
        queues: () => ({ frames: 2000 }),
        onChange: (reason) => console.log(reason),
      });
      guard.look();
      console.log(door.admit(performance.now()), door.admit(performance.now()));
    `);
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toEqual([
      "Queue frames at size 2000, limit 1000",
      "true false",
    ]);
  });
});
