import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseChange } from "../../cmd/replay-what-if.ts";
import { eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import { parseRangeEnd } from "../../lib/operator/replay-range.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import type { Outcome } from "./command-line.ts";

const cwd = makeTempDir("replay");
let server: TestNatsServer;
let nc: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  nc = await connect({ servers: server.url });
  await makeStreams(nc);
  const jsm = await jetstreamManager(nc);
  const held = async () =>
    (await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages +
    (await jsm.streams.info("RUNBEAT_EVENTS")).state.messages;
  let count = 0;
  const send = async (subject: string, body: object | string): Promise<void> => {
    nc.publish(subject, typeof body === "string" ? body : JSON.stringify(body));
    count += 1;
    await waitFor(async () => (await held()) === count);
  };
  const event = async <T extends EventType>(type: T, data: EventData<T>): Promise<void> =>
    await send(`runbeat.ev.camera.yard.hd.${type}`, eventBody(type, "test", 0, data));
  const process = { host: "edge-1", pid: 7, started_at: 1_000 };
  await event("process_spawned", { ...process, argv: ["beat", "--on"], env: {}, attempt: 0 });
  await send("runbeat.hb.camera.yard.hd", { pid: 7, host: "edge-1", seq: 1, fps: 24.96 });
  await send("runbeat.hb.camera.yard.hd", {
    pid: 7,
    last_error: "no answer from rtsp://viewer:hunter2@cam/1\u001B[2J",
  });
  await send("runbeat.hb.worker.gpu.default", "no json");
  await event("process_exited", {
    ...process,
    exit_code: 1,
    signal: null,
    ran_sec: 2,
    stderr: ["a", "out of frames"],
  });
});

afterAll(async () => {
  await nc.close();
});

async function runbeat(...args: string[]): Promise<Outcome> {
  return await runCommand(["replay", ...args], { cwd, env: { NATS_URL: server.url } });
}

/** Lines without the day and the times. */
function plain({ stdout }: Outcome): string[] {
  return stdout
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.replace(/^[\d:.]+ {2}/, ""));
}

describe("runbeat replay", () => {
  test("shows every stream in one order, aligned, harmless and without passwords", async () => {
    const outcome = await runbeat();
    expect(outcome.stdout).toMatch(
      /^── \d{4}-\d\d-\d\d \(UTC\) ──\n\d\d:\d\d:\d\d\.\d{3} {2}camera/,
    );
    expect(plain(outcome)).toEqual([
      "camera/yard/hd          ■ process_spawned  edge-1:7: beat --on",
      "camera/yard/hd          · edge-1:7 #1, 25 fps",
      "camera/yard/hd          · unknown:7 — no answer from rtsp://***@cam/1 [2J",
      expect.stringMatching(/^worker\/gpu\/default {6}· bad_json: the body is not JSON/),
      "camera/yard/hd          ■ process_exited  edge-1:7 exit code 1 after 2 s: out of frames",
    ]);
    expect(outcome.code).toBe(0);
  });

  test("writes one JSON object a line, with what can't be read as it was", async () => {
    const { stdout, code } = await runbeat("--json", "--stream", "heartbeats");
    const messages = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(code).toBe(0);
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(messages[0]).toEqual({
      stream: "RUNBEAT_HEARTBEATS",
      seq: 1,
      time: expect.stringMatching(/Z$/),
      subject: "runbeat.hb.camera.yard.hd",
      runner: "camera/yard/hd",
      type: "heartbeat",
      data: { pid: 7, host: "edge-1", seq: 1, fps: 24.96 },
    });
    expect(messages[2]).toMatchObject({ data: null, text: "no json" });
    expect(stdout).not.toContain("hunter2");
  });

  test("chooses by runner, short or as a pattern, by kind and by type", async () => {
    expect(plain(await runbeat("--runner", "gpu/default"))).toHaveLength(1);
    expect(plain(await runbeat("--runner", "c*/yard/*"))).toHaveLength(4);
    expect(plain(await runbeat("--kind", "worker,camera"))).toHaveLength(5);
    expect(plain(await runbeat("--type", "process_*", "--runner", "yard"))).toHaveLength(2);
    const none = await runbeat("--runner", "camera/none/hd");
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect(none.stderr).toContain("Nothing of the kind happened");
  });

  test("begins and ends at places in a stream, for the others at the times of these", async () => {
    const outcome = await runbeat("--from", "heartbeats:2", "--to", "RUNBEAT_EVENTS:2", "--seq");
    expect(plain(outcome).map((line) => line.split(" ")[0])).toEqual([
      "heartbeats:2",
      "heartbeats:3",
      "events:2",
    ]);
  });

  test("goes on until nothing is left when it is told to", async () => {
    expect(plain(await runbeat("--until-caught-up", "--from", "-1h"))).toHaveLength(5);
  });

  test("publishes a range again under another prefix, never under its own", async () => {
    const subscription = nc.subscribe("lab.>", { max: 5 });
    await nc.flush();
    const outcome = await runbeat("--to-subject-prefix", "lab", "--json");
    expect(JSON.parse(outcome.stdout)).toEqual({ published: 5, stored: 0 });
    let got = 0;
    for await (const _ of subscription) got += 1;
    expect(got).toBe(5);
    const refused = await runbeat("--to-nats", server.url);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("would store everything again");
  });

  test("says what would have been under other settings, and nothing for the same", async () => {
    const same = await runbeat("--what-if", "HB_LOG_EVERY_SEC=60", "--json");
    expect(JSON.parse(same.stdout)).toMatchObject({
      same: true,
      settings: [{ name: "HB_LOG_EVERY_SEC", from: "60", to: "60" }],
      recorded: { heartbeats: 3, events: 2 },
      snapshots: { baseline: 2, changed: 2, missed: 0, added: 0, moved: 0 },
    });
    const { stdout, code } = await runbeat("--what-if", "heartbeat.log_every_sec=0");
    expect(code).toBe(0);
    expect(stdout).toContain("What if heartbeat.log_every_sec=0 (now 60)");
    expect(stdout).toMatch(/\nsnapshots +2 +0 +2 +0 +0\n/);
  });

  test("refuses what is wrong and says what is allowed", async () => {
    const cases: readonly (readonly [args: string[], text: string])[] = [
      [["--from", "now", "--to", "-1h"], "ends before it begins"],
      [["--runner", "a/b/c/d"], "is no runner"],
      [["--speed", "0"], "must be max or a number"],
      [["--what-if", "HEARTBEAT_STALE_SEC=often"], "--what-if HEARTBEAT_STALE_SEC"],
    ];
    expect(() => parseRangeEnd("--from", "soon", 0)).toThrow('--from: "soon" is no time');
    expect(() => parseRangeEnd("--to", "beats:3", 0)).toThrow('"beats:3" is no place in a stream');
    expect(() => parseChange("HEARTBEAT_STALE=30")).toThrow('Did you mean "HEARTBEAT_STALE_SEC"?');
    expect(() => parseChange("RUNBEAT_HTTP_PORT=1")).toThrow("nothing of what is simulated");
    expect(() => parseChange("HEARTBEAT_STALE_SEC")).toThrow("write KEY=VALUE");
    await Promise.all(
      cases.map(async ([args, text]) => {
        const outcome = await runbeat(...args);
        expect(outcome.stderr).toContain(text);
        expect(outcome).toMatchObject({ code: 2, stdout: "" });
      }),
    );
  });

  test("says what a stream holds where a place is not in it", async () => {
    const { code, stderr } = await runbeat("--from", "events:900");
    expect(code).toBe(1);
    expect(stderr).toContain("Stream RUNBEAT_EVENTS has no message 900: it holds 1 to 2");
  });
});
