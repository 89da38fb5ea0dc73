/**
 * Runs after every build: puts the program's hundreds of modules, ours and those of packages, into
 * a few files. Every command starts in half the time, and a fleet has many of them.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { projectRoot } from "../config/project-root.ts";

/** Native, or finding files beside themselves. */
const LEFT_ALONE = ["better-sqlite3", "better-sqlite3-13", "pino", "pino-pretty", "ffmpeg-static"];
const THREADS = ["emitter-thread", "marks-thread", "past-thread", "wal-thread"];
/** For packages of the older kind. */
const REQUIRE =
  'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);';

const compiled = join(projectRoot(), "dist", "cmd");
// All in one folder, as deep as the modules are that look for files and threads beside themselves.
const target = join(projectRoot(), "dist", "lib", "program");

rmSync(target, { recursive: true, force: true });
await build({
  entryPoints: ["main", ...THREADS].map((name) => join(compiled, `${name}.js`)),
  outdir: target,
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: LEFT_ALONE,
  banner: { js: REQUIRE },
  sourcemap: true,
  sourcesContent: false,
  legalComments: "none",
  logLevel: "warning",
});
