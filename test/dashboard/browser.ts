/** A real browser: the machine's Chromium, or the distribution's, unpacked without root. */
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { readEnvironment } from "../../config/environment.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import { debianPackageWithLibraries } from "../../lib/packages/debian.ts";
import { locateProgram } from "../../lib/packages/locate-program.ts";
import type { ProgramSpec } from "../../lib/packages/locate-program.ts";

const CHROMIUM: ProgramSpec = {
  name: "chromium",
  versionArgs: ["--version"],
  versionOf: (output) => /Chromium (\d+\S*)/.exec(output)?.[1],
  // The page's colours need light-dark().
  isNewEnough: (version) => Number.parseInt(version, 10) >= 123,
  needs: "123 or newer",
  setting: "PATH",
};

/** Slow machines unpack it for minutes, once. */
export const BROWSER_MS = 300_000;

export async function openBrowser(): Promise<Browser> {
  const environment = readEnvironment();
  const { settings } = loadSettings({ environment });
  const { path } = await locateProgram(CHROMIUM, {
    path: environment["PATH"] ?? "",
    cacheDirs: pathsOf(settings).cacheDirs,
    sources: [
      debianPackageWithLibraries({ name: "chromium", programs: ["usr/lib/chromium/chromium"] }),
    ],
    say: (line) => console.error(line),
  });
  // As root, and in a container, it has no sandbox of its own.
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  return await chromium.launch({ executablePath: path, args });
}
