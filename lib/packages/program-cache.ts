/** Folders of fetched programs. A folder is whole or not there, whatever is interrupted. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { AppError, messageOf } from "../core/errors.ts";

/** A folder being filled: `.partial-<pid>-<random>`. */
const PARTIAL = /^\.partial-(\d+)-/;

export interface CacheEntry {
  /** Fills the new folder and names it. */
  readonly fill: (folder: string) => Promise<string>;
  /** Whether a folder of that name that is there already is as good as the new one. */
  readonly isGood: (folder: string) => Promise<boolean>;
}

/**
 * Adds a folder to the cache in one step. Where another process was faster, its folder is used.
 * @returns the folder's path.
 * @throws AppError `forbidden` when nothing can be written to any of the cache folders.
 */
export async function addToCache(cacheDirs: readonly string[], entry: CacheEntry): Promise<string> {
  const cacheDir = await writableFolder(cacheDirs);
  await removeLeftovers(cacheDir);
  const partial = join(cacheDir, partialName());
  try {
    await mkdir(partial);
    const target = join(cacheDir, await entry.fill(partial));
    await moveInto(partial, target, entry.isGood);
    return target;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function partialName(): string {
  return `.partial-${process.pid}-${randomBytes(4).toString("hex")}`;
}

async function moveInto(
  partial: string,
  target: string,
  isGood: CacheEntry["isGood"],
): Promise<void> {
  try {
    await rename(partial, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
    if (await isGood(target)) return;
    const broken = join(dirname(target), partialName());
    await rename(target, broken);
    await rename(partial, target);
    await rm(broken, { recursive: true, force: true });
  }
}

async function writableFolder(cacheDirs: readonly string[]): Promise<string> {
  const reasons: string[] = [];
  for (const folder of cacheDirs) {
    const probe = join(folder, partialName());
    try {
      await mkdir(probe, { recursive: true });
      await rm(probe, { recursive: true });
      return folder;
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new AppError(
    "forbidden",
    `Fetched programs can't be kept: ${reasons.join("; ")}. Set cache_dir to a folder of yours`,
  );
}

/** What fetches left that were killed. */
async function removeLeftovers(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    const pid = PARTIAL.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(join(cacheDir, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Folders in the caches whose name begins so, the greatest version first. */
export async function cachedFolders(
  cacheDirs: readonly string[],
  prefix: string,
): Promise<string[]> {
  const found: string[] = [];
  for (const cacheDir of cacheDirs) {
    const names = await readdir(cacheDir).catch(() => []);
    const ours = names.filter((name) => name.startsWith(prefix));
    ours.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
    found.push(...ours.map((name) => join(cacheDir, name)));
  }
  return found;
}
