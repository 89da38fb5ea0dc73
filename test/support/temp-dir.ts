import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const made: string[] = [];

/** A folder of the test file's own, removed after its last test and its own `afterAll` hooks. */
export function makeTempDir(name = "test"): string {
  const folder = mkdtempSync(join(tmpdir(), `runbeat-${name}-`));
  made.push(folder);
  return folder;
}

// Registered on import, so before any hook of the test file: hooks run last registered first.
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
