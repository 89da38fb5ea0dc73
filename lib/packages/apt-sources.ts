/** The package archives that this machine is configured for, and newer suites of the same. */
import { readFile } from "node:fs/promises";
import { runProgram } from "./run-program.ts";

const TIMEOUT_MS = 20_000;
const FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)|$(CODENAME)|$(SUITE)";

/** One suite of one archive. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path or fingerprint of the key that must have signed it; the system's keyring where unset. */
  readonly signedBy: string | undefined;
  /** Other names that the suite goes by. */
  readonly aliases: readonly string[];
}

/** What apt is configured with; empty where there is no apt. */
export async function configuredSources(signal?: AbortSignal): Promise<AptSource[]> {
  const args = ["indextargets", "--format", FORMAT, "Created-By: Packages"];
  const run = await runProgram("apt-get", args, {
    timeoutMs: TIMEOUT_MS,
    ...(signal && { signal }),
  });
  return run.code === 0 ? parseIndexTargets(run.stdout) : [];
}

/** Lines of `apt-get indextargets` in {@link FORMAT}; a field without a value stays `$(NAME)`. */
export function parseIndexTargets(output: string): AptSource[] {
  const sources = new Map<string, AptSource>();
  for (const line of output.split("\n")) {
    const fields = line.split("|").map((field) => (field.startsWith("$(") ? "" : field.trim()));
    const [uri = "", suite = "", component = "", signedBy = "", ...aliases] = fields;
    // A flat archive has no suite to take another one of.
    if (uri === "" || suite === "" || suite.endsWith("/") || component === "") continue;
    const key = `${uri} ${suite} ${signedBy}`;
    const known = sources.get(key);
    sources.set(key, {
      uri,
      suite,
      components: [...new Set([...(known?.components ?? []), component])],
      signedBy: signedBy === "" ? undefined : signedBy,
      aliases: aliases.filter((alias) => alias !== ""),
    });
  }
  return [...sources.values()];
}

/** Suites that may carry newer packages, by distribution; `-` marks updates of another suite. */
export async function newerSuites(sources: readonly AptSource[]): Promise<AptSource[]> {
  const system = await readFile("/etc/os-release", "utf8").catch(() => "");
  const suites = /^ID="?ubuntu/m.test(system) ? ["devel"] : ["stable", "testing", "unstable"];
  const main = sources.find(({ suite }) => !suite.includes("-"));
  if (main === undefined) return [];
  return suites
    .filter((suite) => suite !== main.suite && !main.aliases.includes(suite))
    .map((suite) => ({ ...main, suite, aliases: [] }));
}

/** The line for a sources.list. Source: sources.list(5). */
export function sourceLine({ uri, suite, components, signedBy }: AptSource): string {
  const option = signedBy === undefined ? "" : `[signed-by=${signedBy}] `;
  return `deb ${option}${uri} ${suite} ${components.join(" ")}`;
}

/** Versions of a package in the lists that the machine has read itself; empty where it has none. */
export async function knownVersions(name: string, signal?: AbortSignal): Promise<string[]> {
  const run = await runProgram("apt-cache", ["madison", name], {
    timeoutMs: TIMEOUT_MS,
    ...(signal && { signal }),
  });
  return madisonVersions(run.stdout);
}

/** `apt-cache madison` prints `name | version | archive` lines, newest first. */
export function madisonVersions(output: string): string[] {
  const versions = output.split("\n").map((line) => line.split("|")[1]?.trim() ?? "");
  return [...new Set(versions.filter((version) => version !== ""))];
}
