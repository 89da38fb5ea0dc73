import { describe, expect, it } from "vitest";
import { event, given, heartbeat, message } from "../../lib/operator/given.ts";
import { defineProjection } from "../../projections/define.ts";
import { latestHeartbeat } from "../../projections/latest-heartbeat.ts";
import { timeline } from "../../projections/timeline.ts";

const BAD = { name: "x", version: 1, stream: "heartbeats", key: ["a"], columns: { a: "text" } };
const FUNCTIONS = { keyOf: () => ["a"], evolve: () => ({}) };
const define = (changes: object) => () =>
  defineProjection({ ...BAD, ...FUNCTIONS, ...changes } as never);

describe("a projection of a user's own", () => {
  it.each([
    [{ name: "Bad name" }, /Projection "Bad name": its name must be/],
    [{ version: 0 }, /its version is 0: use 1/],
    [{ stream: "beats" }, /there is no stream beats: use one of heartbeats/],
    [{ columns: {} }, /it has no columns/],
    [{ columns: { a: "varchar" } }, /column a is of type varchar: use text, integer, real, json/],
    [{ columns: { a: "text", last_seq: "integer" } }, /column last_seq is reserved/],
    [{ key: ["b"] }, /column b of its key must be a column/],
    [{ key: [] }, /its key names no column/],
    [{ evolve: undefined }, /keyOf and evolve must be functions/],
  ])("is refused where it is not right: %j", (changes, expected) => {
    expect(define(changes)).toThrow(expected);
  });

  it.each([
    [{ evolve: () => ({ b: 1 }) }, /its fold made a column b that is not declared/],
    [
      { columns: { a: "text", n: "integer" }, evolve: () => ({ n: 1.5 }) },
      /column n got 1\.5, but is integer$/,
    ],
    [
      { columns: { a: "text", n: "real?" }, evolve: () => ({}) },
      /column n got nothing, but is real or null/,
    ],
    [{ keyOf: () => [7] }, /column a got 7, but is text/],
  ])("may not make rows that its columns do not allow: %#", (changes, expected) => {
    const fold = () => given([heartbeat("camera/a/hd")]).fold(define(changes)());
    expect(fold).toThrow(expected);
  });

  it("has what its messages make of it, with the sequences that did", () => {
    const pace = defineProjection({
      name: "pace",
      version: 1,
      stream: "heartbeats",
      columns: { camera: "text", slowest: "real?", profiles: "json" },
      key: ["camera"],
      keyOf: ({ runner }) => (runner.kind === "camera" ? [runner.name] : undefined),
      evolve: (row, { runner, heartbeat: { fps } }) => ({
        slowest: fps === null ? (row?.slowest ?? null) : Math.min(row?.slowest ?? Infinity, fps),
        profiles: [...new Set([...((row?.profiles ?? []) as string[]), runner.profile])],
      }),
    });
    const folded = given([
      heartbeat("camera/door/hd", { fps: 25 }),
      heartbeat("worker/gpu/default", { fps: 1 }),
      heartbeat("camera/door/sd", { fps: 12.5 }),
      heartbeat("camera/attic/hd"),
    ]).fold(pace);
    folded.expect([
      { camera: "attic", slowest: null, profiles: ["hd"], first_seq: 4 },
      { camera: "door", slowest: 12.5, profiles: ["hd", "sd"], first_seq: 1, last_seq: 3 },
    ]);
    expect(() => folded.expect([{ camera: "attic" }])).toThrow(/deep.*equal/i);
  });
});

describe("given(messages).fold(projection)", () => {
  it("takes Runbeat's own folds too", () => {
    const beats = [
      heartbeat("camera/door/hd", { pid: 7 }),
      heartbeat("camera/door/hd", { pid: 8 }),
    ];
    const { rows } = given(beats).fold(latestHeartbeat);
    expect(rows).toMatchObject([{ runner: "camera/door/hd", pid: 8, rival_pid: 7 }]);
    given([
      event("camera/door/hd", "camera_offline", { reason: "no picture" }, { at: 1_000_000 }),
      event("camera/door/hd", "camera_online"),
    ])
      .fold(timeline)
      .expect([
        { type: "camera_offline", time: 1_000_000, data: { reason: "no picture" } },
        { type: "camera_online", time: 1_001_000 },
      ]);
  });

  it("says so of a message that would go to quarantine, and of a fold that is not pure", () => {
    expect(() => given([heartbeat("camera/a/hd", { pid: "x" })]).fold(latestHeartbeat)).toThrow(
      /Message 1 on runbeat\.hb\.camera\.a\.hd can't be folded/,
    );
    let calls = 0;
    const impure = define({ columns: { a: "text", n: "integer" }, evolve: () => ({ n: calls++ }) });
    expect(() => given([heartbeat("camera/a/hd")]).fold(impure())).toThrow(
      /gives other rows the second time/,
    );
    expect(() => given([message("events", "no.such", {})]).fold(timeline)).toThrow(
      /can't be folded/,
    );
  });
});
