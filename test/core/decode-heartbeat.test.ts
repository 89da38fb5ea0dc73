import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import type { Decoded } from "../../lib/core/decode-heartbeat.ts";
import { heartbeatSchema } from "../../lib/core/heartbeat-schema.ts";
import { MAX_HEARTBEAT_BYTES } from "../../lib/core/heartbeat.ts";

const RUNNER = "camera/front/hd";

function decode(body: unknown): Decoded {
  return decodeHeartbeat(RUNNER, Buffer.from(JSON.stringify(body)));
}

function reasonOf(decoded: Decoded): string {
  return decoded.ok ? "accepted" : decoded.rejection.reason;
}

/** A value that a field may or may not take. */
const odd = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 300 }),
  fc.constantFrom("healthy", "offline", "2026-11-22T05:26:00Z", "2026-13-22T05:26:00Z", -1, 0, 1),
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.dictionary(fc.string({ maxLength: 9 }), fc.oneof(fc.boolean(), fc.integer(), fc.string())),
);

const fields = Object.keys(heartbeatSchema.shape).filter((field) => field !== "runner");

describe("decoding a heartbeat", () => {
  test("accepts and refuses exactly what the schema does", () => {
    const body = fc
      .tuple(
        fc.constantFrom({ pid: 7 }, {}),
        fc.dictionary(fc.constantFrom(...fields, "somethingElse"), odd, { maxKeys: 4 }),
      )
      .map(([base, extra]) => ({ ...base, ...extra }));
    fc.assert(
      fc.property(body, (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        const bySchema = heartbeatSchema.safeParse(plain);
        const decoded = decode(plain);
        expect(decoded.ok).toBe(bySchema.success);
        if (!decoded.ok) expect(decoded.rejection.reason).toBe("bad_schema");
      }),
      { numRuns: 5_000 },
    );
  });

  test.each(fields)("knows the schema's field %s", (field) => {
    const values = [1, 7, "healthy", "2026-11-22T05:26:00Z", {}, { a: true }];
    const value = values.find((one) => heartbeatSchema.safeParse({ pid: 7, [field]: one }).success);
    expect(value).toBeDefined();
    const decoded = decode({ pid: 7, [field]: value });
    expect(decoded.ok ? (decoded.heartbeat.detail ?? {}) : decoded).not.toHaveProperty(field);
  });

  test("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeHeartbeat(RUNNER, bytes).ok).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["bad_json", Buffer.from("{pid: 7}")],
    ["bad_json", Buffer.from("")],
    ["bad_schema", Buffer.from("[]")],
    ["bad_schema", Buffer.from("null")],
    ["bad_schema", Buffer.from("{}")],
    ["bad_schema", Buffer.from('{"pid":7,"fps":1e999}')],
    ["bad_schema", Buffer.from('{"pid":7,"detail":{"deep":[1e999]}}')],
    ["bad_schema", Buffer.from('{"pid":7,"unknown_field":1e999}')],
    ["bad_schema", Buffer.from('{"pid":"7"}')],
    ["bad_schema", Buffer.from('{"pid":7.5}')],
    ["bad_schema", Buffer.from('{"pid":0}')],
    ["bad_utf8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ["identity_mismatch", Buffer.from('{"pid":7,"runner":"camera/back/hd"}')],
    [
      "too_large",
      Buffer.from(JSON.stringify({ pid: 7, detail: { x: "x".repeat(MAX_HEARTBEAT_BYTES) } })),
    ],
  ])("gives the reason %s", (reason, bytes) => {
    expect(reasonOf(decodeHeartbeat(RUNNER, bytes))).toBe(reason);
  });

  test("takes null for absent, a known identity and a replacement character that was sent as such", () => {
    const decoded = decode({ pid: 7, host: null, runner: RUNNER, last_error: "\uFFFD" });
    expect(decoded).toMatchObject({
      ok: true,
      heartbeat: { host: "unknown", lastError: "\uFFFD" },
    });
  });

  test("keeps unknown fields under detail, __proto__ among them", () => {
    const text = '{"pid":7,"zone":"north","__proto__":{"x":1},"detail":{"zone":"mine"}}';
    const decoded = decodeHeartbeat(RUNNER, Buffer.from(text));
    if (!decoded.ok) throw new Error(decoded.rejection.message);
    expect(JSON.parse(JSON.stringify(decoded.heartbeat.detail))).toEqual(
      JSON.parse('{"zone":"mine","__proto__":{"x":1}}'),
    );
  });

  test("cuts a long error without splitting a character", () => {
    const decoded = decode({ pid: 7, last_error: `${"x".repeat(1_999)}😀` });
    expect(decoded).toMatchObject({ ok: true, heartbeat: { lastError: "x".repeat(1_999) } });
  });

  test("names the field, the value and what is allowed", () => {
    const decoded = decode({ pid: 7, interval_sec: -3 });
    expect(decoded).toMatchObject({
      rejection: { message: "interval_sec is -3, but must be a finite number above 0" },
    });
  });
});
