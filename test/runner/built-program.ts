/** The program as it is shipped: tests that kill processes need real ones. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Below node_modules, so that packages resolve and git and the linters do not see it. */
const OUT = join(ROOT, "node_modules", ".cache", "runbeat-test-build");
const SOURCES = ["cmd", "config", "lib", "projections", "migrations"];
const LOCK_MS = 60_000;

/** What `npm run build` made; `npm test` does that before the tests. */
const DIST = join(ROOT, "dist");
/** One look per test file: nobody changes the sources while it runs. */
let built: Promise<string> | undefined;

/** Compiles the sources where they are newer than the last build; types are checked elsewhere. */
export async function builtFile(path: string): Promise<string> {
  built ??= buildWhereNeeded();
  return join(await built, path.replace(/\.ts$/, ".js"));
}

/** @returns the folder of a build that is as new as the sources. */
async function buildWhereNeeded(): Promise<string> {
  const dist = statSync(join(DIST, ".tsbuildinfo"), { throwIfNoEntry: false });
  if (dist !== undefined && newestSource() <= dist.mtimeMs) return DIST;
  const lock = `${OUT}.lock`;
  mkdirSync(join(OUT, ".."), { recursive: true });
  await takeLock(lock);
  try {
    if (newestSource() > builtAt()) build();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
  return OUT;
}

function build(): void {
  const startedAt = Date.now();
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const args = [tsc, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", OUT, "--noCheck"];
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(join(OUT, ".stamp"), String(startedAt));
}

function builtAt(): number {
  try {
    return Number(readFileSync(join(OUT, ".stamp"), "utf8"));
  } catch {
    return 0;
  }
}

function newestSource(): number {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((name) =>
      join(ROOT, folder, String(name)),
    ),
  );
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

async function takeLock(lock: string): Promise<void> {
  const deadline = Date.now() + LOCK_MS;
  for (;;) {
    try {
      mkdirSync(lock);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      if (Date.now() - mtimeOf(lock) > LOCK_MS) rmSync(lock, { recursive: true, force: true });
      await delay(50);
    }
  }
}

function mtimeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return Date.now();
  }
}
