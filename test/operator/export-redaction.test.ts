import { describe, expect, test } from "vitest";
import type { ExportedMessage } from "../../lib/operator/export-format.ts";
import { ExportRedaction } from "../../lib/operator/export-redaction.ts";

function message(body: object | string, headers: ExportedMessage["headers"] = []): ExportedMessage {
  const data = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return { stream: "heartbeats", seq: 1, timeMs: 0, subject: "s", headers, data };
}

function bodyOf({ data }: ExportedMessage): string {
  return Buffer.from(data).toString();
}

describe("what an export leaves out", () => {
  test("are passwords and keys, wherever they stand", () => {
    const redaction = new ExportRedaction();
    const secret = "hunter2hunter2";
    const one = redaction.apply(
      message(
        {
          last_error: `rtsp://admin:${secret}@10.0.0.7/x failed`,
          detail: { api_token: secret, argv: ["run", "--password", secret] },
        },
        [["Authorization", `Bearer ${secret}`]],
      ),
    );
    const broken = redaction.apply(message(`{"password": "${secret}"`));
    expect(JSON.stringify([bodyOf(one), one.headers, bodyOf(broken)])).not.toContain(secret);
    expect(bodyOf(one)).toContain("10.0.0.7");
  });

  test("are hosts, each with one other name throughout, also within text", () => {
    const redaction = new ExportRedaction();
    const first = redaction.apply(message({ host: "berlin-7", by: "enforcer@berlin-7" }));
    const second = redaction.apply(
      message({ host: "paris", last_error: "lost berlin-7, not berlin-77" }),
    );
    expect(JSON.parse(bodyOf(first))).toEqual({ host: "host-1", by: "enforcer@host-1" });
    expect(JSON.parse(bodyOf(second))).toEqual({
      host: "host-2",
      last_error: "lost host-1, not berlin-77",
    });
  });

  test("are no runners: a body must still agree with its subject", () => {
    const redaction = new ExportRedaction();
    const body = { runner: "service/enforcer/paris", host: "paris", pid: 7 };
    expect(JSON.parse(bodyOf(redaction.apply(message(body))))).toEqual({ ...body, host: "host-1" });
  });
});
