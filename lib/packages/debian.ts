/**
 * Programs from the distribution's own packages, through the machine's configured mirror. apt checks
 * the signatures with the machine's keys; everything is unpacked into a folder, without root.
 */
import { access, chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { AppError } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import { configuredSources, knownVersions, newerSuites } from "./apt-sources.ts";
import type { AptSource } from "./apt-sources.ts";
import { DPKG_STATUS, openAptWorkspace } from "./apt-workspace.ts";
import type { AptWorkspace } from "./apt-workspace.ts";
import type { FetchContext, ProgramSource } from "./locate-program.ts";
import { libraryFolders } from "./library-folders.ts";
import { runProgram } from "./run-program.ts";

/** apt's own files while a package is fetched. */
const APT_FOLDER = "apt";
const UNPACK_TIMEOUT_MS = 120_000;
const UNPACKED_AT_ONCE = 4;
/** Must match the running system's loader, so the system's own is used. */
const SYSTEM_PACKAGES = /^(libc6|libc-bin|libc6-.*)_/;
/** Graphics drivers and the compiler they bring: big, and no program needs them to start. */
const DRIVER_PACKAGES = /^(libgl1-mesa-dri|libllvm[\d.]+|libz3-4)_/;
/** Not needed to run a program. */
const SPARE_FOLDERS = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"];

export interface PackageOptions {
  /** The package's name. */
  readonly name: string;
  /** Where the package may have the program, e.g. `usr/bin/ffmpeg`; its base name is what it is. */
  readonly programs: readonly string[];
}

/** A program that needs nothing but the system's C library; newer suites are tried as well. */
export function debianPackage(options: PackageOptions): ProgramSource {
  return {
    what: "the distribution's package",
    fetch: async (folder, context) => {
      const work = join(folder, APT_FOLDER);
      const root = join(folder, "root");
      const configured = await sourcesOf(context);
      await mkdir(work);
      const apt = await openAptWorkspace(work, signalOf(context));
      const groups = await groupsToTry(options.name, configured, context);
      await unpack([await firstGoodPackage(apt, options, groups, context)], root, context);
      const program = await programIn(root, options);
      await symlink(join("root", program), join(folder, basename(program)));
      await rm(work, { recursive: true, force: true });
    },
  };
}

/**
 * A program with the libraries that the machine lacks, from the configured suites.
 * @param installed the file that says what the machine has.
 */
export function debianPackageWithLibraries(
  options: PackageOptions,
  installed: string = DPKG_STATUS,
): ProgramSource {
  return {
    what: "the distribution's package and its libraries",
    fetch: async (folder, context) => {
      const root = join(folder, "root");
      const sources = await sourcesOf(context);
      const files = await closureOf(options.name, folder, sources, installed, context);
      const wanted = files.filter((file) => !isLeftOut(basename(file)));
      context.say(`${options.name}: unpacking ${wanted.length} packages`);
      await unpack(wanted, root, context);
      await writeWrapper(folder, await programIn(root, options));
      await rm(join(folder, APT_FOLDER), { recursive: true, force: true });
    },
  };
}

function isLeftOut(file: string): boolean {
  return SYSTEM_PACKAGES.test(file) || DRIVER_PACKAGES.test(file);
}

/** Where what is installed does not fit together, everything is fetched as if nothing were. */
async function closureOf(
  name: string,
  folder: string,
  sources: readonly AptSource[],
  installed: string,
  context: FetchContext,
): Promise<readonly string[]> {
  const reasons: string[] = [];
  for (const counted of [{ installed }, {}]) {
    const work = join(folder, APT_FOLDER);
    await rm(work, { recursive: true, force: true });
    await mkdir(work);
    const apt = await openAptWorkspace(work, { ...counted, ...signalOf(context) });
    const updateFailure = await updateFrom(apt, sources, context);
    context.say(`${name}: downloading the package and what it needs, signatures checked by apt`);
    const { files, failure } = await apt.downloadWithDependencies(name);
    context.signal?.throwIfAborted();
    if (failure === "" && files.length > 0) return files;
    reasons.push(failure || updateFailure || "apt downloaded nothing");
  }
  throw unavailable(`package ${name} can't be had: ${reasons.join("; ")}`);
}

function signalOf({ signal }: FetchContext): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function unavailable(message: string): AppError {
  return new AppError("unavailable", redact(message));
}

async function sourcesOf(context: FetchContext): Promise<AptSource[]> {
  const sources = await configuredSources(context.signal);
  if (sources.length > 0) return sources;
  throw unavailable("this system has no apt with configured package archives");
}

async function updateFrom(
  apt: AptWorkspace,
  sources: readonly AptSource[],
  context: FetchContext,
): Promise<string> {
  const suites = [...new Set(sources.map(({ suite }) => suite))].join(", ");
  context.say(`reading the package lists of ${suites}`);
  const { failure, stderr } = await apt.update(sources);
  context.signal?.throwIfAborted();
  if (failure !== "") return failure;
  // apt ends with 0 even when a list could not be had.
  return /^[WE]: (Failed to fetch .*|.*not signed.*)$/m.exec(stderr)?.[1] ?? "";
}

/** Configured suites first, unless the machine's own lists say that they will not do. */
async function groupsToTry(
  name: string,
  configured: readonly AptSource[],
  context: FetchContext,
): Promise<(readonly AptSource[])[]> {
  const newer = (await newerSuites(configured)).map((source) => [source]);
  const known = await knownVersions(name, context.signal);
  const mayDo = known.some((version) => context.isNewEnough(upstreamVersion(version)));
  if (known.length === 0 || mayDo) return [configured, ...newer];
  context.say(`${name} in the configured suites: ${known.join(", ")}: that will not do`);
  return newer;
}

/** The first package that is new enough, downloaded. */
async function firstGoodPackage(
  apt: AptWorkspace,
  { name }: PackageOptions,
  groups: readonly (readonly AptSource[])[],
  context: FetchContext,
): Promise<string> {
  const reasons: string[] = [];
  for (const group of groups) {
    const suites = group.map(({ suite }) => suite).join(", ");
    const updateFailure = await updateFrom(apt, group, context);
    const versions = await apt.versionsOf(name);
    const version = versions.find((candidate) => context.isNewEnough(upstreamVersion(candidate)));
    if (version === undefined) {
      const has = versions.length === 0 ? updateFailure || "it has none" : versions.join(", ");
      reasons.push(`${suites}: ${has}`);
      context.say(`${name} in ${suites}: ${redact(has)}: that will not do`);
      continue;
    }
    context.say(`${name}: downloading package ${version} of ${suites}, signature checked by apt`);
    const { files, failure } = await apt.download(name, version);
    const [file] = files;
    if (failure === "" && file !== undefined) return file;
    reasons.push(`${suites}: ${failure}`);
  }
  throw unavailable(`no package ${name} will do (${reasons.join("; ")})`);
}

/** `1:2.10.27+ds-1` → `2.10.27`. Source: Debian policy, section 5.6.12. */
export function upstreamVersion(version: string): string {
  return version
    .replace(/^\d+:/, "")
    .replace(/-[^-]*$/, "")
    .replace(/[+~].*$/, "");
}

async function unpack(
  files: readonly string[],
  root: string,
  context: FetchContext,
): Promise<void> {
  const queue = [...files];
  const unpackNext = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      await unpackOne(file, root, context);
    }
  };
  await mkdir(root, { recursive: true });
  await Promise.all(Array.from({ length: UNPACKED_AT_ONCE }, unpackNext));
  for (const folder of SPARE_FOLDERS)
    await rm(join(root, folder), { recursive: true, force: true });
}

async function unpackOne(file: string, root: string, context: FetchContext): Promise<void> {
  const run = await runProgram("dpkg-deb", ["-x", file, root], {
    timeoutMs: UNPACK_TIMEOUT_MS,
    ...signalOf(context),
  });
  context.signal?.throwIfAborted();
  if (run.code !== 0) throw unavailable(`${basename(file)} can't be unpacked: ${run.failure}`);
}

async function programIn(root: string, options: PackageOptions): Promise<string> {
  for (const program of options.programs) {
    const isThere = await access(join(root, program)).then(
      () => true,
      () => false,
    );
    if (isThere) return program;
  }
  throw unavailable(`package ${options.name} has no ${options.programs.join(" or ")}`);
}

/** The program must find its libraries where they were unpacked; it keeps its process id. */
async function writeWrapper(folder: string, program: string): Promise<void> {
  const libraries = (await libraryFolders(join(folder, "root"))).map(
    (path) => `$here/root/${path}`,
  );
  const file = join(folder, basename(program));
  const text = [
    "#!/bin/sh",
    'here=$(dirname "$(readlink -f "$0")")',
    `LD_LIBRARY_PATH="${libraries.join(":")}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
    "export LD_LIBRARY_PATH",
    `exec "$here/root/${program}" "$@"`,
    "",
  ].join("\n");
  await writeFile(file, text);
  await chmod(file, 0o755);
}
