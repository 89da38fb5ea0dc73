/**
 * Runs after every build. Makes the program executable, which tsc does not, and links it where npm
 * links the programs of dependencies but never our own: `npx runbeat` then works in a checkout.
 */
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { projectRoot } from "../config/project-root.ts";

const EXECUTABLE = 0o755;

const program = join(projectRoot(), "dist", "cmd", "runbeat.js");
const folder = join(projectRoot(), "node_modules", ".bin");
const link = join(folder, "runbeat");

chmodSync(program, EXECUTABLE);
mkdirSync(folder, { recursive: true });
rmSync(link, { force: true });
symlinkSync(relative(folder, program), link);
