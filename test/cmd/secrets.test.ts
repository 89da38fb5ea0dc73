/** Passwords go into runners and come out nowhere: a whole installation is searched for them. */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import { processesOf, startUp } from "./running-up.ts";
import type { RunningUp } from "./running-up.ts";

/** Each of its own, so that a leak shows where it came from; none is part of any other text. */
const SECRETS = {
  CAMERA_PASSWORD: "camP@ss'w\"Xq71",
  CAMERA_TOKEN: "camTokenXq72",
  COMMAND_SECRET: "cmdSecretXq73",
  COMMAND_ARGUMENT: "cmdArgumentXq74",
  READ_KEY: "readKeyXq75",
  OPERATE_KEY: "operateKeyXq76",
};

const WITHIN = { timeoutMs: 60_000 };
const CAMERA = "camera/door/hd";
const TALKER = "process/talker/default";

/** A camera that nobody answers for, and a command that says everything that it knows. */
const FLEET = `
defaults: { restart: { backoff_sec: [0.5], max_attempts: 2 } }
runners:
  ${CAMERA}:
    camera: { url: "rtsp://viewer:\${CAMERA_PASSWORD}@127.0.0.1:1/live?token=\${CAMERA_TOKEN}" }
  ${TALKER}:
    command:
      - sh
      - -c
      - 'echo "door is rtsp://viewer:$0@127.0.0.1/"; echo "password=$MY_PASSWORD" >&2; sleep 1; exit 3'
      - "\${COMMAND_ARGUMENT_PASSWORD}"
    env: { MY_PASSWORD: "\${COMMAND_SECRET}" }
`;

function start(): RunningUp {
  const fleet = join(makeTempDir("fleet"), "fleet.yaml");
  writeFileSync(fleet, FLEET);
  return startUp({
    args: ["--log-level", "debug"],
    env: {
      RUNBEAT_FLEET: fleet,
      CAMERA_PASSWORD: SECRETS.CAMERA_PASSWORD,
      CAMERA_TOKEN: SECRETS.CAMERA_TOKEN,
      COMMAND_SECRET: SECRETS.COMMAND_SECRET,
      COMMAND_ARGUMENT_PASSWORD: SECRETS.COMMAND_ARGUMENT,
      RUNBEAT_READ_KEY: SECRETS.READ_KEY,
      RUNBEAT_OPERATE_KEY: SECRETS.OPERATE_KEY,
    },
  });
}

/** What was found, and where. */
function leaksIn(place: string, text: string): string[] {
  const spellings = Object.entries(SECRETS).flatMap(([name, secret]) =>
    [...new Set([secret, encodeURIComponent(secret)])].map((spelling) => ({ name, spelling })),
  );
  return spellings
    .filter(({ spelling }) => text.includes(spelling))
    .map(({ name }) => `${name} in ${place}`);
}

function filesBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  return names.filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile() === true);
}

/** Reads every route that needs no more than what this fleet has. */
async function answersOf(api: string): Promise<Map<string, string>> {
  const headers = { authorization: `Bearer ${SECRETS.READ_KEY}` };
  const ask = async (path: string) => {
    const response = await fetch(new URL(path, api), { headers });
    return await response.text();
  };
  const document = JSON.parse(await ask("/openapi.json")) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  const paths = Object.keys(document.paths).filter((path) => "get" in (document.paths[path] ?? {}));
  const full = paths
    .filter((path) => !path.endsWith("/live"))
    .flatMap((path) =>
      path.includes("{kind}")
        ? [CAMERA, TALKER].map((runner) => path.replace("{kind}/{name}/{profile}", runner))
        : [path],
    );
  const wrong = [
    `/api/v1/runners?sort=${encodeURIComponent(`rtsp://u:${SECRETS.CAMERA_PASSWORD}@h`)}`,
  ];
  const asked = [...full, ...full.map((path) => `${path}?all=1&limit=1000`), ...wrong];
  const answers = new Map<string, string>();
  for (const path of asked) answers.set(path, await ask(path));
  return answers;
}

describe("a fleet with passwords", () => {
  it("is searched by what would find them", () => {
    const text = `rtsp://viewer:${encodeURIComponent(SECRETS.CAMERA_PASSWORD)}@cam ${SECRETS.READ_KEY}`;
    expect(leaksIn("a log", text)).toEqual(["CAMERA_PASSWORD in a log", "READ_KEY in a log"]);
  });

  it(
    "shows none of them in its files, logs, answers, commands and argument lists",
    { timeout: 120_000 },
    async () => {
      const up = start();
      const { apiUrl } = await up.record();
      const events = async () => (await answersOf(apiUrl)).get("/api/v1/timeline") ?? "";
      await waitFor(async () => /restart_scheduled/.test(await events()), WITHIN);
      const ofCamera = async () => (await answersOf(apiUrl)).get(`/api/v1/runners/${CAMERA}`) ?? "";
      await waitFor(async () => /next try after/.test(await ofCamera()), WITHIN);

      const leaks: string[] = [];
      const answers = await answersOf(apiUrl);
      expect(answers.get(`/api/v1/runners/${TALKER}/timeline`)).toContain("password=***");
      for (const [path, text] of answers) leaks.push(...leaksIn(`the answer to ${path}`, text));

      const env = { ...up.environment(), RUNBEAT_READ_KEY: SECRETS.READ_KEY };
      const commands = [
        ["status", "--url", apiUrl],
        ["status", "--url", apiUrl, "--json"],
        ["logs", CAMERA],
        ["logs", TALKER],
        ["config"],
        ["config", "--json"],
        ["doctor"],
      ];
      for (const words of commands) {
        const { stdout, stderr } = await runCommand(words, { cwd: up.folder, env });
        leaks.push(...leaksIn(`runbeat ${words.join(" ")}`, stdout + stderr));
      }
      // One that was started again this moment has said nothing yet.
      await waitFor(async () => {
        const { stdout } = await runCommand(["logs", TALKER], { cwd: up.folder, env });
        return stdout.includes("door is rtsp://***@127.0.0.1/");
      }, WITHIN);

      leaks.push(...leaksIn("what runbeat up said", up.output()));
      for (const { command } of processesOf(up.folder)) {
        // The command of the fleet file has it there by its owner's wish.
        if (!command.startsWith("sh -c"))
          leaks.push(...leaksIn(`the arguments ${command}`, command));
      }
      const files = filesBelow(up.dataDir);
      expect(files.length).toBeGreaterThan(10);
      for (const file of files) leaks.push(...leaksIn(file, readFileSync(file, "latin1")));
      expect(leaks).toEqual([]);
    },
  );
});
