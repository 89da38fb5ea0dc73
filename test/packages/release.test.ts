import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { locateProgram } from "../../lib/packages/locate-program.ts";
import { NATS_SERVER, natsServerRelease } from "../../lib/packages/nats-server.ts";
import { fileFromTar } from "../../lib/packages/tar.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { writeFakeServer } from "./fake-program.ts";

const open: Server[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Serves files by the last part of their path; the paths asked for are kept. */
async function serve(files: () => Record<string, Buffer | string>) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const body = files()[path.split("/").at(-1) ?? ""];
    if (body === undefined) response.writeHead(404);
    response.end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/releases`, asked };
}

/** What the release of this machine is called; its version is what the source asks for. */
async function archiveName(): Promise<string> {
  const { url, asked } = await serve(() => ({ SHA256SUMS: "" }));
  const failure = await fetchFrom(url).failure;
  expect(asked).toEqual([expect.stringMatching(/^\/releases\/v[\d.]+\/SHA256SUMS$/)]);
  const name = /does not list (\S+\.tar\.gz)/.exec(failure)?.[1];
  if (name === undefined) throw new Error(`no archive was asked for: ${failure}`);
  return name;
}

function makeArchive(version: string): Buffer {
  const folder = makeTempDir("release");
  const inner = `nats-server-v${version}-linux`;
  writeFakeServer(join(folder, inner, "nats-server"), version);
  mkdirSync(join(folder, inner, "docs"));
  execFileSync("tar", ["-czf", join(folder, "a.tar.gz"), "-C", folder, inner]);
  return readFileSync(join(folder, "a.tar.gz"));
}

function sumOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function fetchFrom(url: string) {
  const cacheDir = makeTempDir("cache");
  const said: string[] = [];
  const result = locateProgram(NATS_SERVER, {
    path: "",
    cacheDirs: [cacheDir],
    say: (text) => said.push(text),
    sources: [natsServerRelease(url)],
  });
  const failure = result.then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
  return { result, failure, said, cacheDir };
}

describe("an official release", () => {
  test("is downloaded, checked against its checksum and kept", async () => {
    const name = await archiveName();
    const archive = makeArchive("2.15.1");
    const sums = `${"0".repeat(64)}  other.zip\n${sumOf(archive)}  ${name}\n`;
    const { url } = await serve(() => ({ SHA256SUMS: sums, [name]: archive }));
    const { result, said } = fetchFrom(url);
    expect(await result).toMatchObject({ version: "2.15.1", from: /official release/ });
    expect(said.join("\n")).toMatch(/downloading .*\n.*MiB, checksum as listed/);
  });

  test("whose checksum is wrong is refused loudly, and nothing of it is kept", async () => {
    const name = await archiveName();
    const archive = makeArchive("2.15.1");
    const sums = `${"ab".repeat(32)}  ${name}\n`;
    const { url } = await serve(() => ({ SHA256SUMS: sums, [name]: archive }));
    const { result, cacheDir } = fetchFrom(url);
    await expect(result).rejects.toMatchObject({ code: "conflict" });
    await expect(result).rejects.toThrow(
      `${name} is NOT what its publisher listed: SHA-256 is ${sumOf(archive)}`,
    );
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  test("that is not listed, not there or not an archive is passed over with the reason", async () => {
    const name = await archiveName();
    const junk = Buffer.from("not gzip");
    const cases: [Record<string, Buffer | string>, RegExp][] = [
      [{}, /SHA256SUMS can't be had: HTTP status 404/],
      [{ SHA256SUMS: "" }, /SHA256SUMS does not list nats-server-v/],
      [{ SHA256SUMS: `${sumOf(junk)}  ${name}` }, /tar\.gz can't be had: HTTP status 404/],
      [{ SHA256SUMS: `${sumOf(junk)}  ${name}`, [name]: junk }, /can't be unpacked/],
    ];
    for (const [files, message] of cases) {
      const { url } = await serve(() => files);
      const { result } = fetchFrom(url);
      await expect(result).rejects.toMatchObject({ code: "not_found" });
      await expect(result).rejects.toThrow(message);
    }
  });

  test("of another version than needed is passed over", async () => {
    const name = await archiveName();
    const archive = makeArchive("2.8.0");
    const sums = `${sumOf(archive)} *${name}\n`;
    const { url } = await serve(() => ({ SHA256SUMS: sums, [name]: archive }));
    await expect(fetchFrom(url).result).rejects.toThrow("its version is 2.8.0");
  });

  test("from an address that nobody answers is given up", async () => {
    const { url } = await serve(() => ({}));
    const [server] = open.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    await expect(fetchFrom(url).result).rejects.toThrow(/can't be had: .*ECONNREFUSED/);
  });
});

describe("a tar archive", () => {
  function tarOf(args: readonly string[], folder: string): Buffer {
    return execFileSync("tar", ["-c", ...args, "-C", folder, "."], { maxBuffer: 2 ** 26 });
  }

  test.each([["ustar"], ["gnu"], ["pax"]])("in %s format gives its file", (format) => {
    const folder = makeTempDir("tar");
    const deep = join(folder, "d".repeat(80), "e".repeat(60));
    writeFakeServer(join(folder, "a-first-file"), "1.0.0");
    writeFakeServer(join(deep, "nats-server"), "2.15.1");
    const archive = tarOf([`--format=${format}`], folder);
    expect(fileFromTar(archive, "nats-server")?.toString()).toContain("v2.15.1");
    expect(fileFromTar(archive, "absent")).toBeUndefined();
  });

  test("that is cut off gives nothing or what it has, and ends", () => {
    const folder = makeTempDir("tar");
    writeFakeServer(join(folder, "x", "nats-server"), "2.15.1");
    const archive = tarOf(["--format=ustar"], folder);
    for (let length = 0; length < archive.length; length += 100) {
      const found = fileFromTar(archive.subarray(0, length), "nats-server");
      expect(found === undefined || found.length <= archive.length).toBe(true);
    }
    expect(fileFromTar(Buffer.alloc(2048, 0xff), "nats-server")).toBeUndefined();
  });
});
