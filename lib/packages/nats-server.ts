/** What Runbeat asks of a nats-server, and what its releases are called. */
import type { ProgramSpec } from "./locate-program.ts";
import { releaseSource } from "./release.ts";
import type { ProgramSource } from "./locate-program.ts";

/** Fetched where the machine has none; any from {@link MIN_VERSION} on is used as it is. */
const RELEASE = "2.15.1";
const MIN_VERSION = [2, 11] as const;

/** Where the publisher keeps the releases, one folder each. */
export const NATS_RELEASES = "https://github.com/nats-io/nats-server/releases/download";

export const NATS_SERVER: ProgramSpec = {
  name: "nats-server",
  versionArgs: ["--version"],
  versionOf: (output) => /nats-server: v(\d+\.\d+\.\d+\S*)/.exec(output)?.[1],
  isNewEnough: (version) => {
    const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
    return major > MIN_VERSION[0] || (major === MIN_VERSION[0] && minor >= MIN_VERSION[1]);
  },
  needs: `${MIN_VERSION.join(".")} or newer`,
  setting: "RUNBEAT_NATS_SERVER",
};

/** Node's names of processors → the releases'. */
const PROCESSORS: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm7",
  ia32: "386",
  ppc64: "ppc64le",
  s390x: "s390x",
};

/** @param releases folder of the releases; the publisher's unless given. */
export function natsServerRelease(releases: string = NATS_RELEASES): ProgramSource {
  const processor = PROCESSORS[process.arch];
  const isKnown = processor !== undefined && ["linux", "darwin"].includes(process.platform);
  return releaseSource({
    name: NATS_SERVER.name,
    version: `v${RELEASE}`,
    url: `${releases.replace(/\/+$/, "")}/v${RELEASE}`,
    archive: isKnown
      ? `nats-server-v${RELEASE}-${process.platform}-${processor}.tar.gz`
      : undefined,
  });
}
