import { describe, expect, test } from "vitest";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { decodeEvent } from "../../lib/core/event.ts";
import { isNestedDeeper } from "../../lib/core/nesting.ts";

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

describe("bodies that are nested very deeply", () => {
  test.each([
    ["a heartbeat that is one", nested(8_000)],
    ["a heartbeat with one for a number", `{"pid":${nested(8_000)}}`],
    ["a heartbeat with one for a label", `{"pid":1,"labels":{"x":${nested(8_000)}}}`],
    ["a heartbeat with one in detail", `{"pid":1,"detail":{"x":${nested(8_000)}}}`],
    ["a heartbeat with one in a field that is not known", `{"pid":1,"x":${nested(8_000)}}`],
    ["a heartbeat with one for its runner", `{"pid":1,"runner":${nested(8_000)}}`],
  ])("%s is refused like any other wrong value", (_what, body) => {
    expect(decodeHeartbeat("camera/a/b", Buffer.from(body))).toMatchObject({
      ok: false,
      rejection: { reason: "bad_schema" },
    });
  });

  test("an event with one is refused: it could not be written into the timeline", () => {
    const decoded = decodeEvent("camera_online", Buffer.from(`{"x":${nested(100_000)}}`));
    expect(decoded).toMatchObject({ ok: false, rejection: { reason: "bad_schema" } });
  });

  test("levels are counted from the outermost", () => {
    expect(isNestedDeeper(JSON.parse(nested(256)))).toBe(false);
    expect(isNestedDeeper(JSON.parse(nested(257)))).toBe(true);
    expect(isNestedDeeper("text")).toBe(false);
  });
});
