#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The same in a few files, where a build has made them. */
const bundled = new URL("../lib/program/main.js", import.meta.url);

const program = existsSync(fileURLToPath(bundled)) ? bundled.href : "./main.js";
const { main } = (await import(program)) as typeof import("./main.ts");
await main(process.argv.slice(2));
