import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError } from "../lib/core/errors.ts";

/**
 * The folder of Runbeat itself, the same from source and from dist: the nearest one above this
 * file with our package.json.
 */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isOurs(join(folder, "package.json"))) {
    const above = dirname(folder);
    if (above === folder) {
      throw new AppError("internal", "Runbeat's own package.json is missing: install it again");
    }
    folder = above;
  }
  return folder;
}

function isOurs(file: string): boolean {
  return existsSync(file) && packageOf(file).name === "runbeat";
}

function packageOf(file: string): { name?: string; version?: string } {
  return JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
}

export function projectVersion(): string {
  return packageOf(join(projectRoot(), "package.json")).version ?? "0.0.0";
}
