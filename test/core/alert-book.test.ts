import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlertBook } from "../../lib/core/alert-book.ts";
import type { Look } from "../../lib/core/alert-book.ts";
import { DEFAULT_RULES, rulesWith } from "../../lib/core/alert-rules.ts";
import { alertBody, MAX_NAMED_MEMBERS, parseAlertRecord } from "../../lib/core/alert.ts";
import type { Alert } from "../../lib/core/alert.ts";
import { runnerTroubles } from "../../lib/core/alert-troubles.ts";
import type { Silence } from "../../lib/core/silence.ts";
import type { RunnerCondition, Trouble } from "../../lib/core/alert-troubles.ts";

const T = 1_700_000_000_000;
const SETTINGS = {
  rules: rulesWith([{ type: "runner_offline", forSec: 0 }]),
  groupWaitSec: 10,
  growEverySec: 60,
  resolveAfterSec: 15,
};

function offline(member: string, about = ["edge-1", "camera", "silence"]): Trouble {
  return { type: "runner_offline", about, member, since: T, detail: "no heartbeat" };
}

/** Looks once at that second; the rest is as quiet as can be. */
function lookAt(
  book: AlertBook,
  second: number,
  troubles: readonly Trouble[],
  more: Partial<Look> = {},
) {
  const quiet = { silences: [], unsure: new Set<string>(), frozen: () => false };
  return book.look({ now: T + second * 1_000, troubles, ...quiet, ...more });
}

function brief(alerts: readonly Alert[]) {
  return alerts.map(({ action, notify, members }) => ({
    action,
    notify,
    members: members.map(({ name }) => name),
  }));
}

describe("the book of alerts", () => {
  it("tells a group once, after waiting for its members, and once of its end", () => {
    const book = new AlertBook(SETTINGS);
    expect(lookAt(book, 0, [offline("a")])).toEqual([]);
    expect(lookAt(book, 5, [offline("a"), offline("b")])).toEqual([]);
    expect(brief(lookAt(book, 10, [offline("a"), offline("b")]))).toEqual([
      { action: "raised", notify: true, members: ["a", "b"] },
    ]);
    expect(lookAt(book, 200, [offline("a"), offline("b")])).toEqual([]);
    expect(lookAt(book, 300, [])).toEqual([]);
    expect(brief(lookAt(book, 315, []))).toEqual([
      { action: "resolved", notify: true, members: ["a", "b"] },
    ]);
    expect(book.size).toBe(0);
  });

  it("says nothing of what is over before it was told", () => {
    const book = new AlertBook(SETTINGS);
    lookAt(book, 0, [offline("a")]);
    expect(lookAt(book, 9, [])).toEqual([]);
    expect(lookAt(book, 60, [])).toEqual([]);
    expect(book.size).toBe(0);
  });

  it("is not over where its members come back for a moment only", () => {
    const book = new AlertBook(SETTINGS);
    lookAt(book, 0, [offline("a")]);
    lookAt(book, 10, [offline("a")]);
    lookAt(book, 20, []);
    lookAt(book, 34, [offline("a")]);
    expect(lookAt(book, 50, [offline("a")])).toEqual([]);
  });

  it("tells again when it grows, and not when it shrinks", () => {
    const book = new AlertBook(SETTINGS);
    lookAt(book, 0, [offline("a")]);
    lookAt(book, 10, [offline("a")]);
    expect(lookAt(book, 20, [offline("a"), offline("b")])).toEqual([]);
    expect(brief(lookAt(book, 70, [offline("a"), offline("b")]))).toEqual([
      { action: "updated", notify: true, members: ["a", "b"] },
    ]);
    expect(brief(lookAt(book, 130, [offline("b")]))).toEqual([
      { action: "updated", notify: false, members: ["b"] },
    ]);
  });

  it("keeps groups apart", () => {
    const book = new AlertBook(SETTINGS);
    const all = [offline("a"), offline("b", ["edge-2", "camera", "silence"])];
    lookAt(book, 0, all);
    expect(lookAt(book, 10, all)).toHaveLength(2);
  });

  it("waits until a trouble has lasted as long as its rule asks", () => {
    const book = new AlertBook({ ...SETTINGS, rules: DEFAULT_RULES, groupWaitSec: 0 });
    const ill: Trouble = { ...offline("a"), type: "runner_unhealthy", since: null };
    expect(lookAt(book, 0, [ill])).toEqual([]);
    expect(lookAt(book, 29, [ill])).toEqual([]);
    expect(lookAt(book, 30, [ill])).toHaveLength(1);
  });

  it("tells nobody of the members on a silenced host, nor of whoever joins a silenced alert", () => {
    const book = new AlertBook(SETTINGS);
    const on = (host: string, member: string) => ({ ...offline(member, [host]), host });
    const silence = { id: "s", from: T, until: T + 900_000, reason: "", by: "ada" };
    const host: Silence = { ...silence, pattern: "host:edge-1" };
    const troubles = [on("edge-1", "a"), on("edge-2", "b")];
    lookAt(book, 0, troubles, { silences: [host] });
    const told = lookAt(book, 10, troubles, { silences: [host] });
    expect(brief(told)).toEqual([
      { action: "raised", notify: false, members: ["a"] },
      { action: "raised", notify: true, members: ["b"] },
    ]);
    const alert: Silence = { ...silence, pattern: `alert:${told[1]?.id}` };
    const more = [...troubles, on("edge-2", "c")];
    expect(brief(lookAt(book, 100, more, { silences: [host, alert] }))).toEqual([
      { action: "updated", notify: false, members: ["b", "c"] },
    ]);
  });

  it("tells nobody of a silenced member until the silence is over", () => {
    const book = new AlertBook(SETTINGS);
    const names = ["camera/a/hd", "camera/b/hd"];
    const silence: Silence = {
      id: "s",
      pattern: "camera/*",
      from: T,
      until: T + 100_000,
      reason: "",
      by: "ada",
    };
    const troubles = names.map((name) => offline(name));
    lookAt(book, 0, troubles, { silences: [silence] });
    expect(brief(lookAt(book, 10, troubles, { silences: [silence] }))).toEqual([
      { action: "raised", notify: false, members: names },
    ]);
    expect(brief(lookAt(book, 100, troubles, { silences: [silence] }))).toEqual([
      { action: "updated", notify: true, members: names },
    ]);
  });

  it("leaves as they were those of which nothing can be said", () => {
    const book = new AlertBook(SETTINGS);
    lookAt(book, 0, [offline("a")]);
    lookAt(book, 10, [offline("a")]);
    expect(lookAt(book, 100, [], { unsure: new Set(["a"]) })).toEqual([]);
    expect(lookAt(book, 200, [], { frozen: () => true })).toEqual([]);
    expect(lookAt(book, 300, [offline("a")])).toEqual([]);
  });

  it("tells nobody again of members that were too many to be named, after another sentinel took over", () => {
    const all = Array.from({ length: MAX_NAMED_MEMBERS + 500 }, (_, index) => offline(`p${index}`));
    const first = new AlertBook({ ...SETTINGS, groupWaitSec: 0 });
    const [raised] = lookAt(first, 0, all).map((alert) => {
      const body = new TextEncoder().encode(JSON.stringify(alertBody(alert, "test", T)));
      const record = parseAlertRecord(alert.type, body);
      return record?.kind === "alert" ? record.alert : undefined;
    });
    if (raised === undefined) throw new Error("it was not told");
    expect(raised.members).toHaveLength(MAX_NAMED_MEMBERS);
    const second = new AlertBook(SETTINGS);
    second.restore(raised);
    const again = lookAt(second, 100, all);
    expect(again.filter(({ notify }) => notify)).toEqual([]);
    const [grown] = lookAt(second, 200, [...all, offline("new")]);
    expect(grown).toMatchObject({ action: "updated", notify: true });
  });

  it("goes on in another sentinel where the first one ended, whenever that was", () => {
    const script = fc.array(fc.subarray(["a", "b", "c"]), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(script, fc.nat(30), (steps, cut) => {
        const told: Alert[] = [];
        let book = new AlertBook({ ...SETTINGS, groupWaitSec: 0, growEverySec: 0 });
        for (const [index, names] of steps.entries()) {
          if (index === cut) {
            book = new AlertBook({ ...SETTINGS, groupWaitSec: 0, growEverySec: 0 });
            for (const alert of told) book.restore(alert);
          }
          told.push(
            ...lookAt(
              book,
              index * 5,
              names.map((name) => offline(name)),
            ),
          );
        }
        const byId = new Map<string, Alert[]>();
        for (const alert of told) byId.set(alert.id, [...(byId.get(alert.id) ?? []), alert]);
        for (const alerts of byId.values()) {
          expect(alerts.map(({ revision }) => revision)).toEqual(alerts.map((_, at) => at + 1));
          expect(alerts.filter(({ action }) => action === "raised")).toHaveLength(1);
          const ended = alerts.findIndex(({ action }) => action === "resolved");
          expect(ended === -1 || ended === alerts.length - 1).toBe(true);
        }
      }),
    );
  });
});

function condition(runner: string, changes: Partial<RunnerCondition> = {}): RunnerCondition {
  return {
    runner,
    kind: runner.split("/")[0] ?? "",
    host: "edge-1",
    status: { status: "online", since: T, cause: "heartbeat" },
    health: "healthy",
    lastHeartbeatAt: T,
    intervalSec: 10,
    exit: null,
    isDeclared: true,
    cooldownUntil: null,
    lastFailure: null,
    denied: null,
    skewMs: 0,
    falls: 0,
    ...changes,
  };
}

const SILENT = { status: { status: "offline", since: T, cause: "silence" } } as const;
const ENDED = { status: { status: "offline", since: T, cause: "ended" } } as const;

function typesOf(conditions: readonly RunnerCondition[], hushMin = 100): string[] {
  const settings = { rules: DEFAULT_RULES, hushShare: 0.5, hushMin };
  return runnerTroubles(conditions, T, settings).map(({ type, member }) => `${type} ${member}`);
}

describe("the troubles of a fleet", () => {
  it.each([
    ["a healthy one", {}, []],
    ["silence", { ...SILENT, host: "" }, ["runner_offline"]],
    ["a crash", { ...ENDED, exit: { code: 1, signal: null } }, ["runner_offline"]],
    [
      "a script that has done its work",
      { ...ENDED, isDeclared: false, exit: { code: 0, signal: null } },
      [],
    ],
    [
      "a declared one that ended",
      { ...ENDED, exit: { code: 0, signal: null } },
      ["runner_offline"],
    ],
    ["one that says so itself", { health: "unhealthy" }, ["runner_unhealthy"]],
    ["a degraded one", { health: "degraded" }, ["runner_degraded"]],
    ["one that comes and goes", { ...SILENT, falls: 4 }, ["runner_flapping"]],
    ["a clock that is wrong", { skewMs: -6_000 }, ["clock_skew"]],
    [
      "one that failed again and again",
      { ...ENDED, exit: { code: 1, signal: null }, cooldownUntil: T + 1 },
      ["runner_offline", "service_restart_failed"],
    ],
    [
      "one in the deny list",
      { ...SILENT, denied: "deny list" },
      ["runner_offline", "restart_denied"],
    ],
  ] as [string, Partial<RunnerCondition>, string[]][])("have these of %s", (_, changes, types) => {
    const found = typesOf([condition("camera/a/hd", changes), condition("camera/z/hd")]);
    expect(found).toEqual(types.map((type) => `${type} camera/a/hd`));
  });

  it("are one for a host that is down, not one for each of its runners", () => {
    const gone = ["camera/a/hd", "camera/b/hd"].map((name) => condition(name, SILENT));
    const well = condition("camera/c/hd", { host: "edge-2" });
    expect(typesOf([...gone, well])).toEqual(["host_down camera/a/hd", "host_down camera/b/hd"]);
  });

  it("are one for the host where all that fell silent at once is all of one host", () => {
    const gone = ["a", "b", "c"].map((name) => condition(`camera/${name}/hd`, SILENT));
    const well = condition("camera/d/hd", { host: "edge-2" });
    const rest = condition("camera/e/hd");
    expect(new Set(typesOf([...gone, well], 3).map((text) => text.split(" ")[0]))).toEqual(
      new Set(["host_down"]),
    );
    expect(new Set(typesOf([...gone, rest], 3).map((text) => text.split(" ")[0]))).toEqual(
      new Set(["mass_silence"]),
    );
  });

  it("are one where half of the fleet falls silent at the same moment", () => {
    const gone = ["a", "b", "c"].map((name, at) =>
      condition(`camera/${name}/hd`, { ...SILENT, host: name, lastHeartbeatAt: T + at * 4_000 }),
    );
    const late = condition("camera/d/hd", { ...SILENT, host: "d", lastHeartbeatAt: T - 90_000 });
    const well = ["e", "f"].map((name) => condition(`camera/${name}/hd`, { host: name }));
    expect(typesOf([...gone, late, ...well], 3)).toEqual([
      "mass_silence camera/a/hd",
      "mass_silence camera/b/hd",
      "mass_silence camera/c/hd",
      "runner_offline camera/d/hd",
    ]);
  });
});
