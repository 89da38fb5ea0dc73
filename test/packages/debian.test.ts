/** The distribution's tools are stood in for by scripts: what they are asked, and in which order. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { madisonVersions, parseIndexTargets, sourceLine } from "../../lib/packages/apt-sources.ts";
import {
  debianPackage,
  debianPackageWithLibraries,
  upstreamVersion,
} from "../../lib/packages/debian.ts";
import { locateProgram } from "../../lib/packages/locate-program.ts";
import type { ProgramSource } from "../../lib/packages/locate-program.ts";
import { NATS_SERVER } from "../../lib/packages/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { writeScript } from "./fake-program.ts";

let tools: string;
let path: string | undefined;

beforeEach(() => {
  tools = makeTempDir("apt-tools");
  path = process.env["PATH"];
  process.env["PATH"] = [tools, path].join(delimiter);
});

afterEach(() => {
  process.env["PATH"] = path;
});

interface FakeMachine {
  /** Version of nats-server by suite; the suite `old` is the configured one. */
  readonly versions: Readonly<Record<string, string>>;
  /** What the machine's own lists say. */
  readonly known?: string;
  readonly updateFails?: string;
  readonly packages?: readonly string[];
}

/** `$2` is the configuration file of the private apt, whose folder has the sources. */
function installTools(machine: FakeMachine): () => string[] {
  const calls = join(tools, "calls");
  writeFileSync(calls, "");
  mkdirSync(join(tools, "versions"));
  for (const [suite, version] of Object.entries(machine.versions)) {
    writeFileSync(join(tools, "versions", suite), version);
  }
  const suite = `suite=$(awk '{print $(NF-1)}' "$(dirname "$2")/sources.list" | head -1)`;
  writeScript(
    join(tools, "apt-get"),
    `case "$1 $3" in
      "indextargets "*) echo 'fake://a/|old|main|$(SIGNED_BY)|old|oldstable'; exit 0;;
      "-c update") ${suite}; echo "update $suite" >> ${calls}
        ${machine.updateFails === undefined ? "" : `echo "${machine.updateFails}" >&2; exit 100`};;
      "-c download") echo "download $4" >> ${calls}; : > "\${4%%=*}_1_all.deb";;
      "-c install") echo "install $7" >> ${calls}
        for name in ${(machine.packages ?? []).join(" ")}; do : > "$name"; done;;
    esac`,
  );
  writeScript(
    join(tools, "apt-cache"),
    `if [ "$1" != -c ]; then
      [ -n "${machine.known ?? ""}" ] && echo "nats-server | ${machine.known ?? ""} | x"; exit 0
    fi
    ${suite}
    [ -f ${tools}/versions/$suite ] && echo "nats-server | $(cat ${tools}/versions/$suite) | x"
    exit 0`,
  );
  writeScript(
    join(tools, "dpkg-deb"),
    `echo "unpack $(basename "$2")" >> ${calls}
    mkdir -p "$3/usr/sbin" "$3/usr/lib/fake/plugins"
    : > "$3/usr/lib/fake/libx.so.1"; : > "$3/usr/lib/fake/plugins/y.so"
    printf '#!/bin/sh\\necho "nats-server: v2.15.1 $LD_LIBRARY_PATH"\\n' > "$3/usr/sbin/nats-server"
    chmod +x "$3/usr/sbin/nats-server"`,
  );
  return () => readFileSync(calls, "utf8").trim().split("\n");
}

const PROGRAMS = { name: "nats-server", programs: ["usr/bin/nats-server", "usr/sbin/nats-server"] };

function fetchFrom(source: ProgramSource) {
  const cacheDir = makeTempDir("cache");
  const said: string[] = [];
  const result = locateProgram(NATS_SERVER, {
    path: "",
    cacheDirs: [cacheDir],
    say: (text) => said.push(text),
    sources: [source],
  });
  return { result, said, cacheDir };
}

describe("the distribution's package", () => {
  test("of the configured suite is taken where it will do", async () => {
    const calls = installTools({ versions: { old: "2.12.3-1", testing: "2.15.1-1" } });
    const { result, cacheDir } = fetchFrom(debianPackage(PROGRAMS));
    const found = await result;
    expect(found).toMatchObject({ version: "2.15.1", from: "the distribution's package" });
    expect(calls()).toEqual([
      "update old",
      "download nats-server=2.12.3-1",
      "unpack nats-server_1_all.deb",
    ]);
    const folder = join(cacheDir, "nats-server-2.15.1");
    expect(readdirSync(folder).toSorted()).toEqual(["nats-server", "root"]);
  });

  test("of a newer suite is taken where the configured one is too old, and that is said", async () => {
    const calls = installTools({
      versions: { old: "2.9.10-1+b3", stable: "2.10.27-1", testing: "2.15.1-1" },
    });
    const { result, said } = fetchFrom(debianPackage(PROGRAMS));
    await result;
    expect(calls()).toEqual([
      "update old",
      "update stable",
      "update testing",
      "download nats-server=2.15.1-1",
      "unpack nats-server_1_all.deb",
    ]);
    expect(said).toContain("nats-server in stable: 2.10.27-1: that will not do");
    expect(said).toContain(
      "nats-server: downloading package 2.15.1-1 of testing, signature checked by apt",
    );
  });

  test("the configured suite's lists are not read again where the machine knows them", async () => {
    const calls = installTools({ versions: { testing: "2.15.1-1" }, known: "2.9.10-1" });
    await fetchFrom(debianPackage(PROGRAMS)).result;
    expect(calls().slice(0, 2)).toEqual(["update stable", "update testing"]);
  });

  test("that none has, or whose lists can't be trusted, is passed over with the reason", async () => {
    installTools({ versions: {}, updateFails: "E: The repository is not signed." });
    const { result } = fetchFrom(debianPackage(PROGRAMS));
    await expect(result).rejects.toMatchObject({ code: "not_found" });
    await expect(result).rejects.toThrow(/testing: E: The repository is not signed\./);
  });

  test("is not looked for where there is no apt", async () => {
    writeScript(join(tools, "apt-get"), "exit 127");
    await expect(fetchFrom(debianPackage(PROGRAMS)).result).rejects.toThrow(
      "this system has no apt with configured package archives",
    );
  });

  test("with its libraries is unpacked whole, but for the C library and drivers", async () => {
    const packages = ["nats-server_1.deb", "libx1_1.deb", "libc6_2_x.deb", "libllvm15_1.deb"];
    const calls = installTools({ versions: {}, packages });
    const { result } = fetchFrom(debianPackageWithLibraries(PROGRAMS));
    const found = await result;
    expect(calls().toSorted()).toEqual([
      "install nats-server",
      "unpack libx1_1.deb",
      "unpack nats-server_1.deb",
      "update old",
    ]);
    const wrapper = readFileSync(found.path, "utf8");
    expect(wrapper).toContain("$here/root/usr/lib/fake:$here/root/usr/lib/fake/plugins");
  });

  test("that apt gives nothing for is passed over after trying without what is installed", async () => {
    const calls = installTools({ versions: {}, packages: [] });
    await expect(fetchFrom(debianPackageWithLibraries(PROGRAMS)).result).rejects.toThrow(
      "package nats-server can't be had: apt downloaded nothing; apt downloaded nothing",
    );
    expect(calls()).toEqual([
      "update old",
      "install nats-server",
      "update old",
      "install nats-server",
    ]);
  });
});

test.each([
  ["2.15.1-1", "2.15.1"],
  ["1:2.10.27+ds-1~bpo12+1", "2.10.27"],
  ["2.9.10-1+b3", "2.9.10"],
  ["2.12.0~rc1-1", "2.12.0"],
  ["2.12.0", "2.12.0"],
])("the upstream version of %s is %s", (version, upstream) => {
  expect(upstreamVersion(version)).toBe(upstream);
});

test("apt's targets become sources, components together, flat archives left out", () => {
  const output = [
    "http://a/debian/|trixie|main|/usr/share/keyrings/k.pgp|trixie|stable",
    "http://a/debian/|trixie|contrib|/usr/share/keyrings/k.pgp|trixie|stable",
    "http://a/security/|trixie-security|main|$(SIGNED_BY)|$(CODENAME)|$(SUITE)",
    "http://flat/|./||$(SIGNED_BY)||",
    "",
  ].join("\n");
  const sources = parseIndexTargets(output);
  expect(sources.map(sourceLine)).toEqual([
    "deb [signed-by=/usr/share/keyrings/k.pgp] http://a/debian/ trixie main contrib",
    "deb http://a/security/ trixie-security main",
  ]);
  expect(sources[0]?.aliases).toEqual(["trixie", "stable"]);
});

test("madison's versions are read once each, newest first", () => {
  const output = " x | 2.15.1-1 | http://a b/main\n x | 2.9.1-1 | http://a\n x | 2.9.1-1 | src\n";
  expect(madisonVersions(output)).toEqual(["2.15.1-1", "2.9.1-1"]);
});
