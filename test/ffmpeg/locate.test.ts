import { chmodSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { locateFfmpeg } from "../../lib/ffmpeg/locate.ts";
import { parseVersion } from "../../lib/ffmpeg/version.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { ffmpegProgram } from "./ffmpeg-program.ts";

function script(text: string, name = "ffmpeg"): string {
  const path = join(makeTempDir("ffmpeg"), name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const FAKE = `echo "ffmpeg version n7.1 Copyright"; echo "libavformat    61.  7.100 / 61.  7.100"`;

describe("finding FFmpeg", () => {
  it("takes the one that is asked for, and no other", async () => {
    const bin = script(FAKE);
    expect(await locateFfmpeg({ bin, env: {} })).toMatchObject({ path: bin, libavformatMajor: 61 });
    await expect(locateFfmpeg({ bin: "/no/ffmpeg", env: process.env })).rejects.toThrow(
      /FFMPEG_BIN is "\/no\/ffmpeg", but .* does not run.*correct or unset it/s,
    );
    await expect(locateFfmpeg({ bin: script("echo hello"), env: {} })).rejects.toThrow(
      /does not answer like FFmpeg/,
    );
  });

  it("finds a name that is asked for on the path", async () => {
    const path = script(FAKE, "ffmpeg7");
    const env = { PATH: `/nowhere:${dirname(path)}` };
    expect(await locateFfmpeg({ bin: "ffmpeg7", env })).toMatchObject({ path, version: "n7.1" });
  });

  it("passes over one on the path that does not run, and asks for a fetched one last", async () => {
    const broken = script("exit 3");
    const { path, env } = await ffmpegProgram();
    const found = await locateFfmpeg({
      bin: null,
      env: { PATH: dirname(broken) },
      fetch: async () => ({ path, env }),
    });
    expect(found.libavformatMajor).toBeGreaterThanOrEqual(58);
  });

  it("says what it tried and what to do where there is none", async () => {
    const broken = script("exit 3");
    const env = { PATH: dirname(broken) };
    const failing = async () => await Promise.reject(new Error("the mirror is away"));
    await expect(locateFfmpeg({ bin: null, env, fetch: failing })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(
        /No FFmpeg was found \(.*ffmpeg does not run: .*; the mirror is away\): install it/s,
      ) as string,
    });
  });

  it.each([
    ["ffmpeg version 4.1.11-0+deb10u1 Copyright\nlibavformat    58. 20.100 / 58. 20.100", 58],
    ["ffmpeg version 5.1.6 Copyright\nlibavformat    59. 27.100 / 59. 27.100", 59],
    ["ffmpeg version N-117-g Copyright\nlibavformat    61.  1.100 / 61.  1.100", 61],
    ["not an ffmpeg", undefined],
  ])("reads the version of %j", (text, major) => {
    expect(parseVersion(text).libavformatMajor).toBe(major);
  });
});
