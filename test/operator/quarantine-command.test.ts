import { readFileSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { payloadLines } from "../../cmd/quarantine-text.ts";
import { EmitterRig, emptyServer, lastSeq, publish, settled } from "../projector/emitter-rig.ts";
import { builtFile } from "../runner/built-program.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const server = await startNatsServer();
const cwd = makeTempDir("quarantine");
/** A number's place taken by what colours the terminal and turns its text around. */
const EVIL = '{"pid":"\u009B31m\u202E"}';

let nc: NatsConnection;
let program: string;

interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function quarantine(...args: readonly string[]): Promise<Answer> {
  const child = spawn(process.execPath, [program, "quarantine", ...args], {
    cwd,
    env: { PATH: process.env["PATH"], NATS_URL: server.url, LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return await new Promise((resolve) => {
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

beforeAll(async () => {
  program = await builtFile("cmd/runbeat.ts");
  nc = await connect({ servers: server.url });
  await emptyServer(nc);
  const rig = new EmitterRig();
  const emitter = await rig.start(nc, 60);
  await publish(nc, "runbeat.hb.camera.a.b", "\u001B[2Jrubbish");
  await publish(nc, "runbeat.hb.camera.a.b", EVIL);
  await publish(nc, "runbeat.hb.camera.a", '{"pid":7}');
  await publish(nc, "runbeat.hb.camera.a.b", Uint8Array.of(0x7b, 0xff, 0x1b));
  for (let n = 0; n < 3; n++) await publish(nc, "runbeat.hb.camera.a.b", "more rubbish");
  await settled(nc, emitter);
  await rig.stopAll();
});

afterAll(async () => {
  await nc.close();
});

/** What would move a cursor, change colours or turn text around. */
const UNSAFE = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/;

describe("runbeat quarantine", () => {
  test("list shows what is open, newest first, and nothing that draws on the terminal", async () => {
    const { code, stdout } = await quarantine("list");
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^SEQ +PUT HERE +REASON +STATE +BYTES +SUBJECT +WHAT IS WRONG/);
    expect(lines.slice(1, 8).map((line) => Number(line.trim().split(/ +/)[0]))).toEqual([
      7, 6, 5, 4, 3, 2, 1,
    ]);
    expect(stdout).not.toMatch(UNSAFE);
  });

  test("list as JSON has the form of the read API, with the limit and the filter", async () => {
    const { stdout } = await quarantine("list", "--json", "--limit", "2", "--reason", "bad_json");
    const { items, total } = JSON.parse(stdout) as { items: unknown[]; total: number };
    expect(total).toBe(4);
    expect(items).toMatchObject([
      { seq: 7, reason: "bad_json", bytes: 12, payload_text: "more rubbish", state: "open" },
      { seq: 6, source: { stream: "RUNBEAT_HEARTBEATS", seq: 6 }, resolved_by: null },
    ]);
  });

  test("show tells everything, escapes text and prints other bytes as numbers", async () => {
    const text = await quarantine("show", "2");
    expect(text.code).toBe(0);
    expect(text.stdout).toContain("runbeat.hb.camera.a.b");
    expect(text.stdout).toContain('{"pid":"\\u009b31m\\u202e"}');
    expect(text.stdout).not.toMatch(UNSAFE);
    const cleared = await quarantine("show", "1");
    expect(cleared.stdout).toContain("\\u001b[2Jrubbish");
    expect(cleared.stdout).not.toMatch(UNSAFE);
    const bytes = await quarantine("show", "4");
    expect(bytes.stdout).toMatch(/00000000 {2}7b ff 1b +\{\.\./);
  });

  test("show writes the message as it was into a new file, and over none", async () => {
    const file = join(cwd, "rejected.bin");
    expect((await quarantine("show", "4", "--out", file)).code).toBe(0);
    expect([...readFileSync(file)]).toEqual([0x7b, 0xff, 0x1b]);
    const again = await quarantine("show", "4", "--out", file);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toContain("can't be written");
  });

  test("retry refuses what would be rejected again, and takes a mended file", async () => {
    const refused = await quarantine("retry", "2");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("would be rejected again (bad_schema)");
    expect(refused.stderr).not.toMatch(UNSAFE);
    const file = join(cwd, "mended.json");
    writeFileSync(file, '{"pid":8}');
    const taken = await quarantine("retry", "2", "--file", file);
    expect(taken).toMatchObject({
      code: 0,
      stdout: "2: retried, now message 8 of RUNBEAT_HEARTBEATS\n",
    });
    const again = await quarantine("retry", "2", "--file", file);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/was retried already, by operator@/);
    expect(await lastSeq(await jetstreamManager(nc), "RUNBEAT_HEARTBEATS")).toBe(8);
  });

  test("retry takes another subject", async () => {
    const { code, stdout } = await quarantine(
      "retry",
      "3",
      "--subject",
      "runbeat.hb.camera.a.b",
      "--json",
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      items: [
        {
          seq: 3,
          outcome: "retried",
          stream: "RUNBEAT_HEARTBEATS",
          subject: "runbeat.hb.camera.a.b",
          stored_seq: 9,
          error: null,
        },
      ],
    });
  });

  test("discard takes ranges; of several messages those that can't be are named", async () => {
    const { code, stdout } = await quarantine("discard", "5-6");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "5: discarded\n6: discarded\n" });
    const some = await quarantine("discard", "5", "7", "99");
    expect(some.code).toBe(1);
    expect(some.stdout.split("\n")[0]).toMatch(/^5: Message 5 was discarded already/);
    expect(some.stdout).toContain("7: discarded");
    expect(some.stdout).toContain("99: There is no rejected message 99");
    expect(some.stderr).toContain("2 of 3 messages were not discarded");
  });

  test("--all takes every open one, and says so when there is none", async () => {
    const { code, stdout } = await quarantine("discard", "--all", "--reason", "bad_utf8");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "4: discarded\n" });
    expect((await quarantine("discard", "--all", "--json")).code).toBe(0);
    expect((await quarantine("discard", "--all")).stdout).toBe(
      "Nothing is open there: nothing was discarded.\n",
    );
    expect((await quarantine("list")).stdout).toContain("Nothing here");
    const everything = await quarantine("list", "--state", "all", "--json");
    expect((JSON.parse(everything.stdout) as { total: number }).total).toBe(7);
  });

  test.each([
    [["retry"], "Give the numbers"],
    [["retry", "x"], "whole number"],
    [["retry", "9-3"], "range"],
    [["retry", "1", "--all"], "not both"],
    [["discard", "1", "--reason", "bad_json"], "--reason chooses"],
    [["retry", "1-3", "--file", "x"], "for one message"],
    [["retry", "1", "--file", "/nowhere/x"], "can't be read"],
    [["list", "--reason", "ugly"], "one of bad_json"],
    [["list", "--state", "ugly"], "open, retried, discarded, all"],
  ])("%j is wrong usage", async (args, said) => {
    const { code, stdout, stderr } = await quarantine(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(said);
  });
});

describe("a message as it is printed", () => {
  test("is cut where it is long, between characters", () => {
    const lines = payloadLines(Buffer.from("\u00e9".repeat(3_000)));
    expect(lines[0]).toBe(`  ${"\u00e9".repeat(2_048)}`);
    expect(lines.at(-1)).toBe("1.9 KiB more: --out FILE writes it all");
    const odd = payloadLines(Buffer.from(`x${"\u00e9".repeat(3_000)}`));
    expect(odd[0]).toBe(`  x${"\u00e9".repeat(2_047)}`);
  });

  test("names no password, even where it is cut", () => {
    const url = "rtsp://viewer:hunter2@cam/x";
    const text = `{"a":"${"x".repeat(4_070)}${url}","b":"${url}"}`;
    expect(payloadLines(Buffer.from(text)).join("\n")).not.toMatch(/viewer|hunter/);
    expect(payloadLines(Buffer.from(`{"b":"${url}"}`))).toEqual(['  {"b":"rtsp://***@cam/x"}']);
  });

  test("that is empty is called so", () => {
    expect(payloadLines(new Uint8Array())).toEqual(["(empty)"]);
  });
});
