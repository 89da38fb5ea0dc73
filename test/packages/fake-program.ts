import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** A program that says it is this version of nats-server. */
export function writeFakeServer(file: string, version: string): string {
  return writeScript(file, `echo "nats-server: v${version}"`);
}

export function writeScript(file: string, text: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}
