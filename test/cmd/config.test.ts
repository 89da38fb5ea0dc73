import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTING_LIST } from "../../config/setting-list.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { runCommand } from "./command-line.ts";

const cwd = makeTempDir("config");
const file = join(cwd, "own.yaml");
writeFileSync(file, "http: {port: 9000}\nnats: {url: 'nats://me:hunter2@h:4222'}\n");

interface Shown {
  key: string;
  value: unknown;
  source: string;
  from: string | null;
}

async function settings(...args: string[]): Promise<Map<string, Shown>> {
  const { code, stdout } = await runCommand(["config", "--json", ...args], {
    cwd,
    env: { RUNNER_HEARTBEAT_KEY: "hunter2", HEARTBEAT_ONLINE_SEC: "20" },
  });
  expect(code).toBe(0);
  expect(stdout).not.toContain("hunter2");
  const shown = (JSON.parse(stdout) as { settings: Shown[] }).settings;
  return new Map(shown.map((setting) => [setting.key, setting]));
}

describe("runbeat config", () => {
  it("shows every setting with its value and where it comes from", async () => {
    const shown = await settings("--config", file, "--data-dir", "/d");
    expect([...shown.keys()]).toEqual(SETTING_LIST.map(({ key }) => key));
    expect(shown.get("http.port")).toMatchObject({ value: 9000, source: "file", from: file });
    expect(shown.get("data_dir")).toMatchObject({
      value: "/d",
      source: "flag",
      from: "--data-dir",
    });
    expect(shown.get("heartbeat.online_sec")).toMatchObject({
      value: 20,
      source: "environment",
      from: "HEARTBEAT_ONLINE_SEC",
    });
    expect(shown.get("heartbeat.stale_sec")).toMatchObject({ value: 45, source: "default" });
  });

  it("masks secrets, and passwords within addresses", async () => {
    const shown = await settings("--config", file);
    expect(shown.get("ingest.heartbeat_key")?.value).toBe("***");
    expect(shown.get("nats.url")?.value).toBe("nats://***@h:4222");
    expect(shown.get("http.read_key")?.value).toBeNull();
  });

  it("shows only what differs from the defaults when asked to", async () => {
    const shown = await settings("--config", file, "--changed");
    expect([...shown.keys()].toSorted()).toEqual([
      "heartbeat.online_sec",
      "http.port",
      "ingest.heartbeat_key",
      "nats.url",
    ]);
  });

  it("prints a table for people, without secrets", async () => {
    const { stdout } = await runCommand(["config", "http", "ingest"], {
      cwd,
      env: { RUNBEAT_READ_KEY: "hunter2", RUNBEAT_HTTP_PORT: "81" },
    });
    expect(stdout).toMatch(/^http\.port +81 +environment RUNBEAT_HTTP_PORT$/m);
    expect(stdout).toMatch(/^http\.read_key +\*\*\* +environment RUNBEAT_READ_KEY$/m);
    expect(stdout).not.toMatch(/hunter2|nats\.url/);
  });

  it("warns of variables that look like ours and are not", async () => {
    const { code, stderr } = await runCommand(["config"], { cwd, env: { RUNBEAT_HTTP_PROT: "1" } });
    expect(code).toBe(0);
    expect(stderr).toContain("did you mean RUNBEAT_HTTP_PORT?");
  });
});
