import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetEntry, loadFleet, parseFleet } from "../../config/fleet.ts";
import type { FleetEntry } from "../../lib/core/fleet.ts";
import { projectRoot } from "../../config/project-root.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const WHOLE = `
restart_allow: ["camera/*/*", "process/*/*"]
restart_deny: ["service/redis/*"]
defaults: { heartbeat_interval_sec: 10, restart: { backoff_sec: [5, 15, 45], max_attempts: 3, cooldown_sec: 600 } }
runners:
  camera/front-door/hd:
    camera: { url: "rtsp://viewer:\${FRONT_DOOR_PASSWORD}@10.0.0.7/stream1", transport: tcp, analyse: motion, low_latency: true, stall_sec: 10 }
  camera/pattern/demo:
    camera: { url: "testsrc2=size=640x360:rate=15", input_format: lavfi, analyse: motion }
  process/bidder/default:
    command: [python3, bidder.py]
    cwd: /srv/bidder
    env: { MODE: live, WORKERS: 4, DEBUG: false }
    limits: { memory_mb: 512, cpu_percent: 150, for_sec: 30 }
    probe: { http: "http://127.0.0.1:9000/health", every_sec: 5 }
    restart: { max_attempts: 5 }
    heartbeat_interval_sec: 2
  process/feeder/default:
    command: [./feeder]
    beats: self
  service/api/main: { docker: { container: api-1 } }
  service/db/main: { systemd: { unit: postgresql.service } }
  service/vpn/main: { external: true, interval_sec: 30, thresholds: { online_sec: 60 } }
`;

function entry(text: string, runner: string, env = {}): FleetEntry {
  return fleetEntry(parseFleet(text, env, "fleet.yaml"), parseRunnerId(runner));
}

function refusal(text: string, env = {}): string {
  try {
    parseFleet(text, env, "fleet.yaml");
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
}

describe("a fleet file", () => {
  const env = { FRONT_DOOR_PASSWORD: "s3cret" };

  it("is read whole, variables filled in and secrets remembered", () => {
    const fleet = parseFleet(WHOLE, env, "fleet.yaml");
    expect(fleet.runners.size).toBe(7);
    expect(fleet).toMatchObject({
      restartAllow: ["camera/*/*", "process/*/*"],
      restartDeny: ["service/redis/*"],
      secrets: ["s3cret"],
    });
    expect(entry(WHOLE, "camera/front-door/hd", env)).toMatchObject({
      driver: {
        kind: "camera",
        url: "rtsp://viewer:s3cret@10.0.0.7/stream1",
        transport: "tcp",
        analyse: "motion",
        lowLatency: true,
        stallSec: 10,
        maxFailures: 10,
      },
      intervalSec: 10,
      restart: { backoffSec: [5, 15, 45], maxAttempts: 3, cooldownSec: 600 },
    });
    expect(entry(WHOLE, "service/vpn/main", env)).toMatchObject({
      driver: { kind: "external" },
      intervalSec: 30,
      thresholds: { onlineSec: 60 },
    });
    expect(entry(WHOLE, "service/api/main", env).driver).toEqual({
      kind: "docker",
      container: "api-1",
    });
    expect(entry(WHOLE, "service/db/main", env).driver).toEqual({
      kind: "systemd",
      unit: "postgresql.service",
    });
  });

  it("lets a runner's own settings win over the defaults", () => {
    expect(entry(WHOLE, "process/bidder/default", env)).toMatchObject({
      intervalSec: 2,
      restart: { backoffSec: [5, 15, 45], maxAttempts: 5, cooldownSec: 600 },
      limits: { memoryMb: 512, cpuPercent: 150, forSec: 30 },
      driver: {
        command: ["python3", "bidder.py"],
        cwd: "/srv/bidder",
        env: { MODE: "live", WORKERS: "4", DEBUG: "false" },
        beatsItself: false,
        probe: { http: "http://127.0.0.1:9000/health", everySec: 5, timeoutSec: 5 },
      },
    });
    expect(entry(WHOLE, "process/feeder/default", env).driver).toMatchObject({ beatsItself: true });
  });

  it("may have no runners at all", () => {
    expect(parseFleet("runners: {}", {}, "f").runners.size).toBe(0);
    expect(parseFleet("runners: {}", {}, "f").restartAllow).toBeUndefined();
  });

  it("writes ${NAME} as it is where the dollar is doubled", () => {
    const text = `runners: { process/a/b: { command: [echo, "$\${HOME} \${HOME}"] } }`;
    expect(entry(text, "process/a/b", { HOME: "/root" }).driver).toMatchObject({
      command: ["echo", "${HOME} /root"],
    });
  });

  it.each([
    ["runners: [", /fleet.yaml is not valid YAML: /],
    ["", /the file is null, but /],
    ["- a", /the file is \["a"\], but /],
    ["{}", /runners is missing: it must be a mapping of runners/],
    [
      "runners: { camera/door: { external: true } }",
      /runners has "camera\/door", which must be kind\/name\/profile/,
    ],
    [
      "runners: { camera/a/b: { external: yes please } }",
      /runners\."camera\/a\/b"\.external is "yes please", but must be true/,
    ],
    [
      "runners: { camera/a/b: {} }",
      /runners\."camera\/a\/b" is \{\}, but must have exactly one of camera, command, docker, systemd, external/,
    ],
    ["runners: { camera/a/b: { external: true, command: [x] } }", /must have exactly one of/],
    ["runners: { camera/a/b: { camera: { } } }", /camera\.url is missing: it must be the address/],
    [
      "runners: { camera/a/b: { camera: { url: x, stall_sec: ten } } }",
      /runners\."camera\/a\/b"\.camera\.stall_sec is "ten", but must be a number of seconds from 0.5/,
    ],
    [
      "runners: { camera/a/b: { camera: { url: x, analyse: magic } } }",
      /analyse is "magic", but must be one of none, motion/,
    ],
    [
      "runners: { camera/a/b: { camera: { url: x, stal_sec: 1 } } }",
      /camera\.stal_sec is no key of a fleet file\. Did you mean "stall_sec"\?/,
    ],
    [
      "runners: { process/a/b: { comand: [x] } }",
      /runners\."process\/a\/b"\.comand is no key of a fleet file\. Did you mean "command"\?/,
    ],
    [
      "runners: {}\nrestart_denny: []",
      /restart_denny is no key of a fleet file\. Did you mean "restart_deny"\?/,
    ],
    ["runners: {}\nrestart_deny: ['a b']", /restart_deny\[0\] is "a b", but must be a pattern/],
    [
      "runners: {}\ndefaults: { restart: { backoff_sec: [] } }",
      /defaults\.restart\.backoff_sec is \[\], but must be a list of at least one/,
    ],
    [
      "runners: {}\ndefaults: { restart: { max_attempts: -1 } }",
      /max_attempts is -1, but must be a whole number of at least 0; 0 restarts nothing/,
    ],
    [
      "runners: { process/a/b: { command: [] } }",
      /command is \[\], but must be a list of at least the program/,
    ],
    [
      "runners: { process/a/b: { command: sleep 5 } }",
      /command is "sleep 5", but must be a list of texts/,
    ],
    [
      "runners: { process/a/b: { command: [x], env: { A: [1] } } }",
      /env\.A is \[1\], but must be text/,
    ],
    [
      "runners: { service/a/b: { external: true, cwd: / } }",
      /cwd is "\/", but must go with a command/,
    ],
    [
      "runners: { process/a/b: { command: [x], probe: {} } }",
      /probe is \{\}, but must have either http or command/,
    ],
    [
      "runners: { process/a/b: { command: [x], probe: { http: 'ftp://x' } } }",
      /http is "ftp:\/\/x", but must be an http/,
    ],
    [
      "runners: { process/a/b: { command: [x], beats: self, probe: { command: [y] } } }",
      /must be left out where the command beats by itself/,
    ],
    [
      "runners: { process/a/b: { command: [x], beats: never } }",
      /beats is "never", but must be self/,
    ],
    [
      "runners: { process/a/b: { camera: { url: x } } }",
      /camera is .*, but must be that of a runner named camera/,
    ],
    [
      "runners: { process/a/b: { command: [x], interval_sec: 0 } }",
      /interval_sec is 0, but must be a number of seconds from 0.1/,
    ],
    [
      "runners: { process/a/b: { command: [x], interval_sec: 1, heartbeat_interval_sec: 1 } }",
      /under one name only/,
    ],
    [
      "runners: { process/a/b: { command: [x] }, process/a/b: { command: [y] } }",
      /not valid YAML: Map keys must be unique/,
    ],
  ])("%j is refused with its place, its value and what is allowed", (text, message) => {
    expect(refusal(text)).toMatch(message);
    expect(refusal(text)).toMatch(/fleet\.yaml/);
  });

  it("names a variable that is missing, and where it is used", () => {
    expect(refusal(WHOLE)).toMatch(
      /fleet\.yaml: runners\."camera\/front-door\/hd"\.camera\.url needs the variable FRONT_DOOR_PASSWORD/,
    );
  });

  it("shows values as they are written, never a secret", () => {
    const text = `runners: { camera/a/b: { camera: { url: "\${CAM_PASSWORD}", stall_sec: "\${CAM_PASSWORD}" } } }`;
    const message = refusal(text, { CAM_PASSWORD: "s3cret" });
    expect(message).toContain("${CAM_PASSWORD}");
    expect(message).not.toContain("s3cret");
  });

  it("that is missing is said to be", () => {
    expect(() => loadFleet("/no/such/fleet.yaml", {})).toThrow(/can't be read.*RUNBEAT_FLEET/s);
    const path = join(makeTempDir("fleet"), "fleet.yaml");
    writeFileSync(path, "runners: {}");
    expect(loadFleet(path, {}).runners.size).toBe(0);
  });

  it("names what it has when it is asked for another runner", () => {
    const fleet = parseFleet(WHOLE, env, "f");
    expect(() => fleetEntry(fleet, parseRunnerId("camera/front-dor/hd"))).toThrow(
      /no runner camera\/front-dor\/hd\. Did you mean "camera\/front-door\/hd"\?/,
    );
  });
});

describe("the demo fleet", () => {
  it("has two cameras and a command, and needs no variable", () => {
    const fleet = loadFleet(join(projectRoot(), "config", "demo-fleet.yaml"), {});
    const kinds = [...fleet.runners.values()].map(({ driver }) => driver.kind);
    expect(kinds.toSorted()).toEqual(["camera", "camera", "command"]);
  });
});
