import fc from "fast-check";
import { headers } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { REJECT_REASONS } from "../../lib/core/heartbeat.ts";
import {
  parseRejection,
  parseResolution,
  rejectionHeaders,
  resolutionBody,
} from "../../lib/core/quarantine.ts";

/** As it comes out of a stream: the headers once through the client's own text form. */
function throughHeaders(fields: Record<string, string>) {
  const header = headers();
  for (const [name, value] of Object.entries(fields)) header.set(name, value);
  return header;
}

describe("a rejected message", () => {
  test("is read back as it was put into quarantine, whatever stands in it", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.constantFrom(...REJECT_REASONS),
        text.map((value) => `x${value}x`),
        text.map((value) => `runbeat.hb.${value}x`),
        fc.dictionary(text, fc.array(text, { minLength: 1, maxLength: 3 })),
        fc.uint8Array(),
        (reason, message, subject, own, data) => {
          const source = {
            subject,
            stream: "RUNBEAT_HEARTBEATS",
            streamCreated: "2026-01-23T19:00:00.123456789Z",
            seq: 42,
            timeMs: 1_769_194_800_123,
            bytes: data.length + 1,
            headers: own,
          };
          const header = throughHeaders(rejectionHeaders({ reason, message }, source));
          expect(parseRejection({ headers: header, data })).toEqual({
            kind: "rejected",
            reason,
            message,
            subject,
            sourceStream: source.stream,
            sourceCreated: source.streamCreated,
            sourceSeq: 42,
            sourceTime: "2026-01-23T19:00:00.123Z",
            bytes: data.length + 1,
            payload: data,
            headers: { ...own },
          });
        },
      ),
    );
  });

  test("that others made up is none", () => {
    const data = Buffer.from("x");
    expect(parseRejection({ headers: undefined, data })).toBeUndefined();
    expect(parseRejection({ headers: headers(), data })).toBeUndefined();
    const header = throughHeaders({ "Runbeat-Reason": "ugly", "Runbeat-Source-Seq": "1" });
    expect(parseRejection({ headers: header, data })).toBeUndefined();
  });
});

describe("a record of what became of one", () => {
  test("is read back as it was written", () => {
    const resolved = { seq: 7, action: "retried", by: "operator@edge-1" } as const;
    const body = resolutionBody(resolved, 1_769_194_800_123, 99);
    expect(body).toEqual({
      v: 1,
      at: "2026-01-23T19:00:00.123Z",
      by: "operator@edge-1",
      seq: 7,
      action: "retried",
      stored_seq: 99,
    });
    const data = Buffer.from(JSON.stringify(body));
    expect(parseResolution(data)).toEqual({ kind: "resolved", ...resolved });
  });

  test.each(["", "{", "null", "[]", "{}", '{"seq":1}', '{"seq":"1","action":"retried"}'])(
    "that reads %j is none",
    (text) => {
      expect(parseResolution(Buffer.from(text))).toBeUndefined();
    },
  );
});
