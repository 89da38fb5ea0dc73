/** Debian's Prometheus and its promtool: from the path, the cache, or the distribution's package. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll } from "vitest";
import { readEnvironment } from "../../config/environment.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import { debianPackage } from "../../lib/packages/debian.ts";
import { locateProgram } from "../../lib/packages/locate-program.ts";
import { makeTempDir } from "./temp-dir.ts";
import { waitFor } from "./wait-for.ts";

const run = promisify(execFile);

type Tool = "prometheus" | "promtool";

/** @throws AppError where there is none, saying what was tried. */
async function locate(name: Tool): Promise<string> {
  const environment = readEnvironment();
  const { settings } = loadSettings({ environment });
  const found = await locateProgram(
    {
      name,
      versionArgs: ["--version"],
      versionOf: (output) => /version (\d+\.\d+\.\d+)/.exec(output)?.[1],
      isNewEnough: (version) => Number.parseInt(version, 10) >= 2,
      needs: "2.0 or newer",
      setting: "PATH",
    },
    {
      path: environment["PATH"] ?? "",
      cacheDirs: pathsOf(settings).cacheDirs,
      sources: [debianPackage({ name: "prometheus", programs: [`usr/bin/${name}`] })],
      say: (line) => console.error(line),
    },
  );
  return found.path;
}

/** What promtool says. @throws Error with it where it is not content. */
export async function promtool(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(await locate("promtool"), args);
  return stdout + stderr;
}

const started: ChildProcess[] = [];

// Registered after temp-dir's hook, so it runs before the folders go.
afterAll(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
});

/** Starts it with a configuration file. @returns its address, once it is ready. */
export async function startPrometheus(configFile: string): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const args = [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(makeTempDir("prometheus"), "data")}`,
    `--web.listen-address=${address}`,
  ];
  const child = spawn(await locate("prometheus"), args, { stdio: ["ignore", "ignore", "pipe"] });
  started.push(child);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_096)));
  const url = `http://${address}`;
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
      return (await fetch(`${url}/-/ready`)).ok;
    },
    { what: "Prometheus" },
  );
  return url;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
