import { describe, expect, test } from "vitest";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { decodeEvent } from "../../lib/core/event.ts";
import { judgeOf } from "../../lib/core/judge-message.ts";
import { scanHeartbeat } from "../../lib/core/scan-heartbeat.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { Upcaster } from "../../lib/core/upcast.ts";

/** As if `pid` had been called `process` first, and had been text before that. */
const THREE = new Upcaster([
  ({ process, ...body }) => ({ ...body, process: Number(process) }),
  ({ process, ...body }) => ({ ...body, pid: process }),
]);

function bytes(body: object): Uint8Array {
  return Buffer.from(JSON.stringify(body));
}

describe("an upcaster", () => {
  test.each([
    ["without a version is of the first", { process: "7" }],
    ["of the first version takes every step", { v: 1, process: "7" }],
    ["of the second takes the last step", { v: 2, process: 7 }],
    ["of the newest stays as it is", { v: 3, pid: 7 }],
  ])("a body %s", (_what, body) => {
    expect(THREE.lift(body)).toEqual({ ok: true, body: { v: 3, pid: 7 } });
  });

  test("leaves the body that it was given alone", () => {
    const body = { v: 1, process: "7" };
    THREE.lift(body);
    expect(body).toEqual({ v: 1, process: "7" });
  });

  test.each([[0], [1.5], [-1], ["1"], [{}], [4]])("refuses version %j", (v) => {
    expect(THREE.lift({ v })).toMatchObject({ ok: false });
  });
});

describe("a message of a version that is not known", () => {
  const heartbeat = bytes({ v: 2, pid: 1 });
  const event = bytes({ v: 2, at: "2026-01-01T00:00:00Z", by: "x" });

  test("is not misread, whichever way it is read", () => {
    expect(scanHeartbeat("camera/a/b", heartbeat, "")).toBeUndefined();
    expect(decodeHeartbeat("camera/a/b", heartbeat)).toMatchObject({ ok: false });
    expect(decodeEvent("runner_paused", event)).toMatchObject({ ok: false });
  });

  test.each([
    ["heartbeats", "runbeat.hb.camera.a.b", heartbeat],
    ["events", "runbeat.ev.camera.a.b.runner_paused", event],
  ] as const)("goes to quarantine with a way out: %s", (key, subject, data) => {
    const rejection = judgeOf(key, DEFAULT_PREFIXES)({ subject, data });
    expect(rejection?.reason).toBe("bad_schema");
    expect(rejection?.message).toBe(
      "v is 2, and this Runbeat knows versions up to 1: update Runbeat, then put the message back with `runbeat quarantine retry`",
    );
  });
});
