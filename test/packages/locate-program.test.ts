import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { AppError } from "../../lib/core/errors.ts";
import { FFMPEG } from "../../lib/packages/ffmpeg.ts";
import { locateProgram } from "../../lib/packages/locate-program.ts";
import type { LocateOptions, ProgramSource } from "../../lib/packages/locate-program.ts";
import { NATS_SERVER } from "../../lib/packages/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { writeFakeServer, writeScript } from "./fake-program.ts";

function setUp(options: Partial<LocateOptions> = {}) {
  const folder = makeTempDir("locate");
  const said: string[] = [];
  const cacheDir = join(folder, "cache");
  const all: LocateOptions = {
    path: "",
    cacheDirs: [cacheDir],
    sources: [],
    say: (text) => said.push(text),
    ...options,
  };
  return { folder, said, cacheDir, locate: async () => await locateProgram(NATS_SERVER, all), all };
}

function source(what: string, version: string, calls: string[] = []): ProgramSource {
  return {
    what,
    fetch: async (folder) => {
      calls.push(what);
      writeFakeServer(join(folder, "nats-server"), version);
    },
  };
}

function failing(what: string, error: AppError): ProgramSource {
  return { what, fetch: async () => await Promise.reject(error) };
}

describe("the setting", () => {
  test("wins over everything else", async () => {
    const { folder, all } = setUp();
    const explicit = writeFakeServer(join(folder, "my-server"), "2.12.1");
    const other = writeFakeServer(join(folder, "bin", "nats-server"), "2.15.0");
    const found = await locateProgram(NATS_SERVER, { ...all, explicit, path: join(other, "..") });
    expect(found).toEqual({ path: explicit, version: "2.12.1", from: "setting" });
  });

  test.each([
    [
      "is too old",
      'echo "nats-server: v2.9.0"',
      /but its version is 2\.9\.0\. It must be .* 2\.11/,
    ],
    ["is another program", "echo hello", /it does not say which nats-server it is/],
    ["can't run", "echo kaputt >&2; exit 1", /it can't be run: kaputt/],
  ])("that %s is an error and nothing else is tried", async (_, text, message) => {
    const { folder, all } = setUp({ sources: [source("a source", "2.15.1")] });
    const explicit = writeScript(join(folder, "my-server"), text);
    const failed = locateProgram(NATS_SERVER, { ...all, explicit });
    await expect(failed).rejects.toMatchObject({ code: "invalid" });
    await expect(failed).rejects.toThrow(message);
  });

  test("that names no file is an error", async () => {
    const { folder, all } = setUp();
    const explicit = join(folder, "missing");
    await expect(locateProgram(NATS_SERVER, { ...all, explicit })).rejects.toThrow(
      `RUNBEAT_NATS_SERVER is ${explicit}, but ENOENT`,
    );
    mkdirSync(explicit);
    await expect(locateProgram(NATS_SERVER, { ...all, explicit })).rejects.toThrow("not a file");
  });
});

describe("the path", () => {
  test("is searched in order, past one that is too old, which is said", async () => {
    const { folder, said, all } = setUp();
    const old = writeFakeServer(join(folder, "old", "nats-server"), "2.10.29");
    const good = writeFakeServer(join(folder, "good", "nats-server"), "2.11.0");
    const path = [join(folder, "none"), join(folder, "old"), join(folder, "good")].join(delimiter);
    const found = await locateProgram(NATS_SERVER, { ...all, path });
    expect(found).toEqual({ path: good, version: "2.11.0", from: "path" });
    expect(said).toEqual([
      `${old} will not do: its version is 2.10.29, and 2.11 or newer is needed`,
    ]);
  });
});

describe("the cache", () => {
  test("serves what was fetched before, the newest first, without a word", async () => {
    const { cacheDir, said, locate } = setUp();
    writeFakeServer(join(cacheDir, "nats-server-2.9.9", "nats-server"), "2.9.9");
    writeFakeServer(join(cacheDir, "nats-server-2.12.0", "nats-server"), "2.12.0");
    const newest = writeFakeServer(join(cacheDir, "nats-server-2.15.1", "nats-server"), "2.15.1");
    expect(await locate()).toEqual({ path: newest, version: "2.15.1", from: "cache" });
    expect(said).toEqual([]);
  });

  test("with a broken program is passed over, and repaired by the next fetch", async () => {
    const { cacheDir, said, all } = setUp();
    writeScript(join(cacheDir, "nats-server-2.15.1", "nats-server"), "exit 1");
    const sources = [source("a source", "2.15.1")];
    const found = await locateProgram(NATS_SERVER, { ...all, sources });
    expect(found.from).toBe("a source");
    expect(said[0]).toContain("in the cache will not do: it can't be run");
    expect((await locateProgram(NATS_SERVER, all)).from).toBe("cache");
  });

  test("keeps nothing of a fetch that failed or was killed", async () => {
    const { cacheDir, all } = setUp();
    // Above Linux's greatest process id: nobody's.
    mkdirSync(join(cacheDir, ".partial-4194305-abc"), { recursive: true });
    mkdirSync(join(cacheDir, `.partial-${process.pid}-abc`));
    const half: ProgramSource = {
      what: "half a source",
      fetch: async (folder) => {
        writeFileSync(join(folder, "nats-server"), "half");
        throw new AppError("unavailable", "the line went dead");
      },
    };
    const failed = locateProgram(NATS_SERVER, { ...all, sources: [half] });
    await expect(failed).rejects.toMatchObject({ code: "not_found" });
    await expect(failed).rejects.toThrow(/half a source: the line went dead.*RUNBEAT_NATS_SERVER/);
    expect(readdirSync(cacheDir)).toEqual([`.partial-${process.pid}-abc`]);
  });

  test("takes two fetches at once", async () => {
    const { cacheDir, all } = setUp();
    const sources = [source("a source", "2.15.1")];
    const found = await Promise.all([
      locateProgram(NATS_SERVER, { ...all, sources }),
      locateProgram(NATS_SERVER, { ...all, sources }),
    ]);
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
    expect(readdirSync(cacheDir)).toEqual(["nats-server-2.15.1"]);
  });

  test("is the next folder where the first can't be written", async () => {
    const { folder, all } = setUp();
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    const second = join(folder, "second");
    const sources = [source("a source", "2.15.1")];
    const found = await locateProgram(NATS_SERVER, {
      ...all,
      cacheDirs: [join(blocked, "cache"), second],
      sources,
    });
    expect(found.path).toBe(join(second, "nats-server-2.15.1", "nats-server"));
    const nowhere = locateProgram(NATS_SERVER, { ...all, cacheDirs: [blocked], sources });
    await expect(nowhere).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("the sources", () => {
  test("are tried in turn until one has it, and each step is said", async () => {
    const calls: string[] = [];
    const { said, locate } = setUp({
      sources: [
        failing("the first", new AppError("unavailable", "no way to the internet")),
        source("the second", "2.10.0", calls),
        source("the third", "2.15.1", calls),
        source("the fourth", "2.15.1", calls),
      ],
    });
    const found = await locate();
    expect(found).toMatchObject({ version: "2.15.1", from: "the third" });
    expect(existsSync(found.path)).toBe(true);
    expect(calls).toEqual(["the second", "the third"]);
    expect(said).toEqual([
      "nats-server 2.11 or newer is not on the path and not in the cache",
      "nats-server: trying the first",
      "nats-server: no way to the internet",
      "nats-server: trying the second",
      "nats-server: what was fetched will not do: its version is 2.10.0",
      "nats-server: trying the third",
      `nats-server 2.15.1 is ready: ${found.path}`,
    ]);
  });

  test("end with an error that is not mere absence, such as a wrong checksum", async () => {
    const calls: string[] = [];
    const { locate } = setUp({
      sources: [
        failing("the first", new AppError("conflict", "not what was published")),
        source("the second", "2.15.1", calls),
      ],
    });
    await expect(locate()).rejects.toThrow("not what was published");
    expect(calls).toEqual([]);
  });
});

test.each([
  ["ffmpeg version 5.1.6-0+deb12u1 Copyright", "5.1.6-0+deb12u1", true],
  ["ffmpeg version n7.1-2 Copyright", "n7.1-2", true],
  ["ffmpeg version 3.4.11 Copyright", "3.4.11", false],
  ["ffmpeg version N-119999-gabcdef Copyright", "N-119999-gabcdef", true],
])("FFmpeg's version is read from %j", (output, version, isNewEnough) => {
  expect(FFMPEG.versionOf(output)).toBe(version);
  expect(FFMPEG.isNewEnough(version)).toBe(isNewEnough);
});
