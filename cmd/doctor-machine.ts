/** What `runbeat doctor` looks at on the machine: programs, folders, ports, limits. */
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { describePortHolder } from "../lib/nats/server/port-holder.ts";
import { diskOf } from "../lib/nats/server/store-folder.ts";
import { bytesText } from "../lib/core/amount.ts";
import type { Context } from "./context.ts";
import { fail, failed, ok, warn } from "./doctor-check.ts";
import type { Check } from "./doctor-check.ts";
import { cachedFfmpeg, presentNatsServer } from "./programs.ts";
import { readUpRecord } from "./up-record.ts";

const MIN_NODE = [20, 19] as const;
const LOW_DISK_BYTES = 2 ** 30;
const NO_DISK_BYTES = 64 * 2 ** 20;
const LOW_MEMORY_BYTES = 512 * 2 ** 20;
const LOW_FILES = 1_024;

export async function checkMachine(context: Context): Promise<Check[]> {
  const { paths } = context;
  const folders = [checkFolder("data folder", paths.dataDir), checkDisk(paths.dataDir)];
  return [
    checkNode(process.versions.node),
    await checkNatsServer(context),
    await checkFfmpeg(context),
    ...folders,
    ...checkSecret(context),
    ...(await checkPorts(context)),
    ...checkCgroup(),
    ...checkOpenFiles(),
  ];
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isGood = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (isGood) return ok("node", version);
  return fail("node", `${version} is too old`, `install Node ${MIN_NODE.join(".")} or newer`);
}

async function checkNatsServer(context: Context): Promise<Check> {
  const name = "nats-server";
  if (context.settings.nats.url !== null) return ok(name, "not needed: NATS_URL is set");
  try {
    const found = await presentNatsServer(context);
    if (found !== undefined) return ok(name, `${found.version} (${found.path})`);
    return warn(name, "none here yet", "`runbeat up` fetches one; or install 2.11 or newer");
  } catch (error) {
    return failed(name, error);
  }
}

async function checkFfmpeg(context: Context): Promise<Check> {
  const { settings, environment } = context;
  const { bin } = settings.ffmpeg;
  try {
    const found = await locateFfmpeg({
      bin,
      env: environment,
      fetch: async () => await cachedFfmpeg(context),
    });
    return ok("ffmpeg", `${found.version} (${found.path})`);
  } catch (error) {
    if (bin !== null) return failed("ffmpeg", error);
    return warn(
      "ffmpeg",
      "none here yet",
      "`runbeat up` fetches one for camera runners; or install FFmpeg, or set FFMPEG_BIN",
    );
  }
}

/** The nearest folder that exists decides for those that will be made in it. */
function nearest(folder: string): string {
  let place = folder;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  return place;
}

function checkFolder(name: string, folder: string): Check {
  const place = nearest(folder);
  const note = place === folder ? "" : " (not there yet)";
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    if (statSync(place).isDirectory()) return ok(name, `${folder}${note}`);
    return fail(name, `${place} is no folder`, "set --data-dir to another place");
  } catch {
    return fail(
      name,
      `${place} can't be written by this user`,
      "give it to this user, or set --data-dir to another folder",
    );
  }
}

function checkDisk(folder: string): Check {
  const { freeBytes, totalBytes } = diskOf(nearest(folder));
  const found = `${bytesText(freeBytes)} free of ${bytesText(totalBytes)}`;
  const advice = "free some space, or set --data-dir to another disk";
  if (freeBytes < NO_DISK_BYTES) return fail("disk", found, advice);
  return freeBytes < LOW_DISK_BYTES ? warn("disk", found, advice) : ok("disk", found);
}

/** The generated key is for its owner only. */
function checkSecret({ paths }: Context): Check[] {
  const file = paths.heartbeatKeyFile;
  if (!existsSync(file)) return [];
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) === 0) return [ok("heartbeat key", `${file}, for its owner only`)];
  const found = `${file} can be read by others (mode ${mode.toString(8)})`;
  return [fail("heartbeat key", found, `chmod 600 ${file}`)];
}

async function checkPorts(context: Context): Promise<Check[]> {
  const { nats, http } = context.settings;
  const up = readUpRecord(context.paths);
  const natsPorts = nats.url === null ? [{ name: "NATS port", host: "127.0.0.1", ...nats }] : [];
  const ports = [...natsPorts, { name: "API port", ...http }];
  return await Promise.all(
    ports.map(async ({ name, host, port }) => {
      if (port === 0) return ok(name, `any free one of ${host}`);
      const place = `${host}:${port}`;
      const isOurs = [up?.natsUrl, up?.apiUrl].some((url) => url?.endsWith(`:${port}`) === true);
      if (isOurs) return ok(name, `${place}, in use by the running \`runbeat up\``);
      if (await isFree(host, port)) return ok(name, `${place} is free`);
      const found = `${place} is taken by ${await describePortHolder(port)}`;
      const variable = name === "API port" ? "RUNBEAT_HTTP_PORT" : "RUNBEAT_NATS_PORT";
      return fail(name, found, `stop that, or set ${variable} to another port`);
    }),
  );
}

async function isFree(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRINUSE"));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}

/** Source: Documentation/admin-guide/cgroup-v2.rst; files are missing where there is no limit. */
function checkCgroup(): Check[] {
  const memory = Number(fileText("/sys/fs/cgroup/memory.max"));
  const [quota, period] = fileText("/sys/fs/cgroup/cpu.max").split(" ").map(Number);
  const checks: Check[] = [];
  if (Number.isFinite(memory) && memory > 0) {
    const found = `at most ${bytesText(memory)} (cgroup)`;
    checks.push(
      memory < LOW_MEMORY_BYTES
        ? warn("memory limit", found, `give the container ${bytesText(LOW_MEMORY_BYTES)} or more`)
        : ok("memory limit", found),
    );
  }
  if (quota !== undefined && period !== undefined && quota > 0 && period > 0) {
    checks.push(ok("cpu limit", `${(quota / period).toFixed(1)} cores (cgroup)`));
  }
  return checks;
}

/** Source: proc(5), /proc/self/limits. */
function checkOpenFiles(): Check[] {
  const match = /^Max open files\s+(\d+)/m.exec(fileText("/proc/self/limits"));
  if (match === null) return [];
  const limit = Number(match[1]);
  if (limit >= LOW_FILES) return [ok("open files", `up to ${limit}`)];
  return [warn("open files", `only ${limit}`, `raise the limit: ulimit -n ${4 * LOW_FILES}`)];
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
