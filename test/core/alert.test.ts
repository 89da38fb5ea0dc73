import { describe, expect, it } from "vitest";
import { alertBody, parseAlertRecord, silenceBody } from "../../lib/core/alert.ts";
import type { Alert, AlertRecord } from "../../lib/core/alert.ts";
import type { Silence } from "../../lib/core/silence.ts";
import type { AlertRow, SilenceRow } from "../../lib/store/alert-tables.ts";
import { alert as alertFold } from "../../projections/alert.ts";
import type { AlertsMessage } from "../../projections/projection.ts";
import { silence as silenceFold } from "../../projections/silence.ts";

const T = 1_700_000_000_000;

function alertOf(changes: Partial<Alert> = {}): Alert {
  return {
    id: "runner_offline-1",
    type: "runner_offline",
    severity: "critical",
    action: "raised",
    revision: 1,
    notify: true,
    group: "edge-1, camera, silence",
    title: "2 cameras on edge-1 are offline: no heartbeat",
    openedAt: T,
    resolvedAt: null,
    members: [
      { name: "camera/a/hd", since: T, detail: "no heartbeat", silenced: false },
      { name: "camera/b/hd", since: T + 1, detail: "no heartbeat", silenced: true },
    ],
    memberCount: 2,
    ...changes,
  };
}

const SILENCE: Silence = {
  id: "s1",
  pattern: "camera/*",
  from: T,
  until: T + 60_000,
  reason: "lens cleaning",
  by: "ada",
};

function encoded(body: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(body));
}

function message(record: AlertRecord | undefined, seq: number): AlertsMessage {
  if (record === undefined) throw new Error("it was not read");
  return { seq, time: T + seq, record };
}

describe("a message of the ALERTS stream", () => {
  it("is read as it was written", () => {
    const alert = alertOf();
    expect(parseAlertRecord("runner_offline", encoded(alertBody(alert, "me", T)))).toEqual({
      kind: "alert",
      alert,
      by: "me",
    });
    expect(parseAlertRecord("silence_set", encoded(silenceBody(SILENCE, T)))).toEqual({
      kind: "silence",
      silence: SILENCE,
    });
  });

  it("has no password in it", () => {
    const [member] = alertOf().members;
    if (member === undefined) throw new Error("there is no member");
    const detail = "rtsp://viewer:hunter2@10.0.0.7/stream1 refused";
    const body = alertBody(alertOf({ members: [{ ...member, detail }] }), "me", T);
    expect(JSON.stringify(body)).not.toContain("hunter2");
  });

  it("can be read again however much is said of however many members", () => {
    const detail = "\u00e9".repeat(4_500);
    const members = Array.from({ length: 3_000 }, (_, index) => ({
      name: `process/${"p".repeat(60)}${index}/default`,
      since: T,
      detail,
      silenced: false,
    }));
    const body = encoded(alertBody(alertOf({ members, memberCount: 3_000 }), "me", T));
    const record = parseAlertRecord("runner_offline", body);
    if (record?.kind !== "alert") throw new Error("it can't be read");
    expect(record.alert.memberCount).toBe(3_000);
    expect(record.alert.members.length).toBeGreaterThan(100);
  });

  it.each([
    ["text", new TextEncoder().encode("hello")],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["another shape", encoded({ v: 1, id: 7 })],
  ])("is left out where it is %s", (_, data) => {
    expect(parseAlertRecord("runner_offline", data)).toBeUndefined();
    expect(parseAlertRecord("silence_set", data)).toBeUndefined();
  });
});

describe("the read model of alerts", () => {
  it("has one row for an alert, as its last message tells it", () => {
    const messages = [
      alertOf(),
      alertOf({ action: "updated", revision: 2, memberCount: 3 }),
      alertOf({ action: "resolved", revision: 3, resolvedAt: T + 9, members: [], memberCount: 0 }),
      alertOf({ action: "updated", revision: 2 }),
    ];
    let row: AlertRow | undefined;
    for (const [index, alert] of messages.entries()) {
      row = alertFold.evolve(row, message({ kind: "alert", alert, by: "me" }, index + 1)) ?? row;
    }
    expect(row).toMatchObject({
      state: "resolved",
      resolved_at: T + 9,
      opened_at: T,
      updated_at: T + 3,
      member_count: 0,
      first_seq: 1,
      last_seq: 3,
    });
  });

  it("calls an alert silenced once every member is", () => {
    const members = alertOf().members.map((member) => ({ ...member, silenced: true }));
    const fold = (alert: Alert) =>
      alertFold.evolve(undefined, message({ kind: "alert", alert, by: "me" }, 1));
    expect(fold(alertOf())?.silenced).toBe(0);
    expect(fold(alertOf({ members }))?.silenced).toBe(1);
  });

  it("keeps who lifted a silence first", () => {
    const lift = (by: string) => ({ kind: "unsilence", id: "s1", by }) as const;
    let row: SilenceRow | undefined;
    const records: AlertRecord[] = [
      { kind: "silence", silence: SILENCE },
      lift("ada"),
      lift("bob"),
    ];
    for (const [index, record] of records.entries()) {
      row = silenceFold.evolve(row, message(record, index + 1)) ?? row;
    }
    expect(row).toMatchObject({ pattern: "camera/*", lifted_by: "ada", lifted_at: T + 2 });
  });
});
