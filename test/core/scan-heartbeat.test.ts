import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { scanHeartbeat } from "../../lib/core/scan-heartbeat.ts";

const RUNNER = "camera/front/hd";

const USUAL = {
  v: 1,
  runner: RUNNER,
  pid: 4711,
  host: "edge-1",
  started_at: "2026-11-22T05:00:00.000Z",
  ts: "2026-11-22T05:26:00.123Z",
  seq: 812,
  interval_sec: 10,
  health: "healthy",
  fps: 24.9,
  detected: 2,
  matched: 0,
  latency_ms: 18.25,
  last_error: "",
  camera_state: "reconnecting",
};

function scan(text: string): ReturnType<typeof scanHeartbeat> {
  return scanHeartbeat(RUNNER, Buffer.from(text), "edge-1");
}

/** What is scanned must be what is decoded; what is not scanned may be anything. */
function expectAgreement(text: string | Uint8Array): boolean {
  const bytes = Buffer.from(text);
  const scanned = scanHeartbeat(RUNNER, bytes, "edge-1");
  if (scanned === undefined) return false;
  expect({ ok: true, heartbeat: scanned }).toEqual(decodeHeartbeat(RUNNER, bytes));
  return true;
}

describe("scanning a heartbeat", () => {
  test("takes the usual one, in any order, with and without spaces, with nulls", () => {
    expect(expectAgreement(JSON.stringify(USUAL))).toBe(true);
    const reversed = Object.fromEntries(Object.entries(USUAL).toReversed());
    expect(expectAgreement(JSON.stringify(reversed))).toBe(true);
    const spaced = JSON.stringify(USUAL).replaceAll('":', '": ').replaceAll(',"', ', "');
    expect(expectAgreement(spaced)).toBe(true);
    expect(expectAgreement(JSON.stringify({ ...USUAL, host: null, fps: null }))).toBe(true);
    expect(expectAgreement('{"pid":1}')).toBe(true);
    expect(expectAgreement('{"pid":1,"ts":1795328780900,"last_error":"Connection refused"}')).toBe(
      true,
    );
  });

  test.each([
    '{"pid":1,"pid":2}',
    '{"pid":01}',
    '{"pid":1}}',
    '{"pid":1',
    '{"pid":1,}',
    '{"pid":-1}',
    '{"pid":1.5}',
    '{"pid":1e3}',
    '{"pid":1,"fps":1.}',
    '{"pid":1,"fps":-1}',
    '{"pid":1,"fps":0123}',
    '{"pid":1,"fps":0.1234567890123456}',
    '{"pid":1,"seq":-4}',
    '{"pid":1,"interval_sec":0}',
    '{"pid":1,"host":"\\u0041"}',
    '{"pid":1,"host":"ümlaut"}',
    '{"pid":1,"runner":"camera/back/hd"}',
    '{"pid":1,"health":"fine"}',
    '{"pid":1,"ts":"2026-13-22T05:26:00Z"}',
    '{"pid":1,"metrics":{}}',
    '{"fps":1}',
    "[1]",
    "",
  ])("leaves %s to the decoder", (text) => {
    expect(scan(text)).toBeUndefined();
  });

  test("agrees with the decoder on numbers, to the last bit", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.nat(), (fps, seq) => {
        expectAgreement(JSON.stringify({ pid: 1, fps, seq }));
        expect(expectAgreement(JSON.stringify({ pid: 1, fps: Number(fps.toFixed(3)), seq }))).toBe(
          true,
        );
      }),
      { numRuns: 3_000 },
    );
  });

  test("agrees with the decoder whatever byte is changed, dropped or put in", () => {
    const usual = Buffer.from(JSON.stringify(USUAL));
    const change = fc.tuple(fc.nat(usual.length - 1), fc.nat(255), fc.constantFrom(0, 1, 2));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let bytes: number[] = [...usual];
        for (const [place, value, kind] of changes) {
          bytes = [
            ...bytes.slice(0, place),
            ...(kind === 1 ? [] : [value]),
            ...bytes.slice(kind === 2 ? place : place + 1),
          ];
        }
        expectAgreement(Buffer.from(bytes));
      }),
      { numRuns: 20_000 },
    );
  });
});
