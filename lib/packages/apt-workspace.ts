/** apt with folders of its own: it needs no root and changes nothing on the machine. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { madisonVersions, sourceLine } from "./apt-sources.ts";
import type { AptSource } from "./apt-sources.ts";
import { runProgram } from "./run-program.ts";
import type { RunResult } from "./run-program.ts";

const QUERY_TIMEOUT_MS = 60_000;
const UPDATE_TIMEOUT_MS = 180_000;
const DOWNLOAD_TIMEOUT_MS = 900_000;
/** What dpkg says is installed on this machine. */
export const DPKG_STATUS = "/var/lib/dpkg/status";

export interface WorkspaceOptions {
  /** File in the manner of {@link DPKG_STATUS}: what need not be downloaded; nothing unless given. */
  readonly installed?: string;
  readonly signal?: AbortSignal;
}

export interface AptWorkspace {
  /** Reads the lists of these archives, signatures checked, in place of those read before. */
  update(sources: readonly AptSource[]): Promise<RunResult>;
  /** Versions that the archives have of a package, newest first. */
  versionsOf(name: string): Promise<string[]>;
  /** Downloads one package; gives the files' paths. */
  download(name: string, version: string): Promise<DownloadResult>;
  /** Downloads a package and what it needs beyond what is installed. */
  downloadWithDependencies(name: string): Promise<DownloadResult>;
}

export interface DownloadResult {
  readonly files: readonly string[];
  /** Empty when all went well. */
  readonly failure: string;
}

/** Makes the folders and the configuration in `folder`, which must exist. */
export async function openAptWorkspace(
  folder: string,
  options: WorkspaceOptions,
): Promise<AptWorkspace> {
  const archives = join(folder, "cache", "archives");
  await mkdir(join(folder, "state", "lists", "partial"), { recursive: true });
  await mkdir(join(archives, "partial"), { recursive: true });
  await mkdir(join(folder, "none"));
  await writeFile(join(folder, "status"), "");
  await writeFile(
    join(folder, "apt.conf"),
    configText(folder, options.installed ?? join(folder, "status")),
  );
  const run = async (tool: string, args: string[], timeoutMs: number): Promise<RunResult> =>
    await runProgram(tool, ["-c", join(folder, "apt.conf"), ...args], {
      timeoutMs,
      cwd: archives,
      ...(options.signal && { signal: options.signal }),
    });
  const fetched = async (args: string[]): Promise<DownloadResult> => {
    const { failure } = await run("apt-get", args, DOWNLOAD_TIMEOUT_MS);
    const names = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
    return { files: names.toSorted().map((name) => join(archives, name)), failure };
  };
  return {
    update: async (sources) => {
      await writeFile(join(folder, "sources.list"), `${sources.map(sourceLine).join("\n")}\n`);
      return await run("apt-get", ["update"], UPDATE_TIMEOUT_MS);
    },
    versionsOf: async (name) => {
      const { stdout } = await run("apt-cache", ["madison", name], QUERY_TIMEOUT_MS);
      return madisonVersions(stdout);
    },
    download: async (name, version) => await fetched(["download", `${name}=${version}`]),
    downloadWithDependencies: async (name) =>
      await fetched(["install", "--download-only", "--no-install-recommends", "--yes", name]),
  };
}

/**
 * Read last, so it wins over the machine's settings; keys, proxies and logins stay the machine's.
 * Source: apt.conf(5).
 */
function configText(folder: string, installed: string): string {
  const path = (...parts: string[]): string => JSON.stringify(join(folder, ...parts));
  return [
    `Dir::State ${path("state")};`,
    `Dir::State::lists ${path("state", "lists")};`,
    `Dir::State::status ${JSON.stringify(installed)};`,
    `Dir::State::extended_states ${path("state", "extended_states")};`,
    `Dir::Cache ${path("cache")};`,
    `Dir::Cache::archives ${path("cache", "archives")};`,
    `Dir::Log ${path("none")};`,
    `Dir::Etc::SourceList ${path("sources.list")};`,
    `Dir::Etc::SourceParts ${path("none")};`,
    `Dir::Etc::Preferences ${path("none", "preferences")};`,
    `Dir::Etc::PreferencesParts ${path("none")};`,
    // Only signed lists and packages, whatever the machine allows itself.
    `Acquire::AllowInsecureRepositories "false";`,
    `Acquire::AllowDowngradeToInsecureRepositories "false";`,
    `APT::Get::AllowUnauthenticated "false";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "2";`,
    `Acquire::http::Timeout "20";`,
    `Acquire::https::Timeout "20";`,
    // The folders are ours alone: no lock of the machine's, no other user to become.
    `Debug::NoLocking "true";`,
    `APT::Sandbox::User "root";`,
    `#clear APT::Update::Pre-Invoke;`,
    `#clear APT::Update::Post-Invoke;`,
    `#clear APT::Update::Post-Invoke-Success;`,
    `#clear DPkg::Post-Invoke;`,
    "",
  ].join("\n");
}
