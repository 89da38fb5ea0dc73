import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SORT_KEYS } from "../../lib/core/read-models.ts";
import type { RunnerFilter, RunnerQuery, SortOrder } from "../../lib/core/read-models.ts";
import {
  CLEAR_VIEW,
  DEFAULT_THRESHOLDS,
  STATUS_SEVERITY,
  statusOf,
} from "../../lib/core/status.ts";
import type { NamedBeat } from "../../lib/store/read-fleet-facts.ts";
import { fleetNames } from "../../lib/store/read-fleet-names.ts";
import { scanFleet } from "../../lib/store/read-fleet-scan.ts";
import { FleetTable } from "../../lib/store/read-fleet-table.ts";
import { T } from "./read-fixture.ts";

const MOMENT = { now: T, view: CLEAR_VIEW };

interface Given {
  readonly beat: NamedBeat;
  readonly before: number;
  readonly retired: boolean;
}

const given: fc.Arbitrary<Given> = fc.record({
  beat: fc.record({
    runner: fc
      .tuple(fc.constantFrom("camera", "worker"), fc.nat(40), fc.constantFrom("hd", "SD"))
      .map(([kind, name, profile]) => `${kind}/n${name}/${profile}`),
    host: fc.constantFrom("edge-1", "Edge-2", "unknown"),
    pid: fc.constant(5),
    started_at: fc.constant(T - 1_000_000),
    clock_offset_ms: fc.constant(0),
    process_first_at: fc.constant(T - 999_000),
    beating_since: fc.constant(T - 999_000),
    // Few different ages, so that ties happen.
    last_heartbeat_at: fc.constantFrom(1, 16, 20, 50, 130, 140).map((sec) => T - sec * 1_000),
    interval_sec: fc.constantFrom(null, 10, 20),
    health: fc.constantFrom(null, "healthy" as const, "degraded" as const),
    labels: fc.constantFrom(null, '{"gpu":"0"}', '{"gpu":"1","zone":"a"}'),
    rival_at: fc.constant(null),
    last_seq: fc.constant(1),
  }),
  before: fc.nat(2),
  retired: fc.boolean(),
});
const fleet = fc.uniqueArray(given, { selector: ({ beat }) => beat.runner, maxLength: 60 });
const order: fc.Arbitrary<SortOrder> = fc.record({
  key: fc.constantFrom(...SORT_KEYS),
  descending: fc.boolean(),
});
const filter: fc.Arbitrary<RunnerFilter> = fc.record({
  kinds: fc.subarray(["camera" as const, "service" as const]),
  statuses: fc.subarray(["online" as const, "offline" as const, "stale" as const]),
  healths: fc.subarray(["healthy" as const, "degraded" as const]),
  hosts: fc.subarray(["edge-1", "Edge-2", "nowhere"]),
  labels: fc.subarray(["gpu:0", "gpu:1", "zone:a"]),
  text: fc.constantFrom("", "n1", "sd", "edge-2", "r/n", "zzz"),
  retired: fc.boolean(),
});

function tableOf(runners: readonly Given[]): FleetTable {
  const table = new FleetTable(DEFAULT_THRESHOLDS);
  for (const { beat, before, retired } of runners) {
    const announced = {
      ...beat,
      state: "starting" as const,
      announced_at: T - 999_500,
      ended_at: null,
      exit_code: null,
      signal: null,
      end_reason: null,
      first_seq: 1,
      before,
    };
    table.setBeat(beat, () => []);
    table.setAnnounced(beat.runner, [announced]);
    if (retired) table.setRestart(retiredRow(beat.runner));
  }
  return table;
}

function retiredRow(runner: string) {
  return {
    runner,
    attempt_count: 0,
    last_attempt_at: null,
    last_failure_reason: null,
    cooldown_until: null,
    paused: 0 as const,
    retired: 1 as const,
    registered_at: null,
    registered_host: null,
    registered_pid: null,
    labels: null,
    last_seq: 1,
  };
}

function statusAt(beat: NamedBeat) {
  const liveness = {
    lastHeartbeatAt: beat.last_heartbeat_at,
    beatingSince: beat.beating_since,
    intervalSec: beat.interval_sec,
    spawnedAt: T - 999_500,
    endedAt: null,
    declaredAt: null,
  };
  return statusOf(liveness, T, DEFAULT_THRESHOLDS).status;
}

/** The same list, made the simple way. */
function expected(runners: readonly Given[], wanted: RunnerFilter, sort: SortOrder): string[] {
  const kept = runners.filter(({ beat, retired }) => {
    const labels = Object.entries(JSON.parse(beat.labels ?? "{}") as Record<string, string>);
    const texts = labels.map(([key, value]) => `${key}:${value}`);
    const any = <T>(list: readonly T[], value: T) => list.length === 0 || list.includes(value);
    const names = [beat.runner, beat.host].map((name) => name.toLowerCase());
    return (
      (wanted.retired || !retired) &&
      any<string>(wanted.kinds, beat.runner.slice(0, beat.runner.indexOf("/"))) &&
      any(wanted.statuses, statusAt(beat)) &&
      any(wanted.healths, beat.health ?? "healthy") &&
      any(wanted.hosts, beat.host) &&
      wanted.labels.every((label) => texts.includes(label)) &&
      names.some((name) => name.includes(wanted.text))
    );
  });
  const sign = sort.descending ? -1 : 1;
  return kept
    .toSorted((one, other) => compare(one, other, sort, sign))
    .map(({ beat }) => beat.runner);
}

function compare(one: Given, other: Given, { key }: SortOrder, sign: number): number {
  const byName = one.beat.runner < other.beat.runner ? -1 : 1;
  const byAge = one.beat.last_heartbeat_at - other.beat.last_heartbeat_at;
  const [a, b] = [statusAt(one.beat), statusAt(other.beat)];
  switch (key) {
    case "runner":
      return sign * byName;
    case "severity":
      return sign * (STATUS_SEVERITY[a] - STATUS_SEVERITY[b] || byAge) || byName;
    case "status":
      return sign * (a < b ? -1 : a > b ? 1 : 0) || byName;
    case "last_heartbeat_at":
      return sign * byAge || byName;
    case "restarts":
      return sign * (one.before - other.before) || byName;
  }
}

describe("a page of the fleet", () => {
  it("is, page by page, the list that was filtered and sorted the simple way", () => {
    fc.assert(
      fc.property(
        fleet,
        filter,
        order,
        fc.integer({ min: 1, max: 9 }),
        (some, wanted, sort, limit) => {
          const table = tableOf(some);
          const found: string[] = [];
          let after: RunnerQuery["after"];
          do {
            const page = scanFleet(table, { ...wanted, sort, limit, after }, MOMENT);
            expect(page.slots.length).toBeLessThanOrEqual(limit);
            found.push(...page.slots.map((slot) => table.record(slot).runner));
            after = page.next;
          } while (after !== undefined);
          expect(found).toEqual(expected(some, wanted, sort));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("is worst first, then longest silence, where nothing else is asked for", () => {
    const beat = (runner: string, ageSec: number): Given => ({
      beat: {
        runner,
        host: "h",
        pid: 1,
        started_at: T - 1_000_000,
        clock_offset_ms: 0,
        process_first_at: T - 999_000,
        beating_since: T - 999_000,
        last_heartbeat_at: T - ageSec * 1_000,
        interval_sec: 10,
        health: null,
        labels: null,
        rival_at: null,
        last_seq: 1,
      },
      before: 0,
      retired: false,
    });
    const table = tableOf([
      beat("camera/a/hd", 1),
      beat("camera/b/hd", 130),
      beat("camera/c/hd", 5),
      beat("camera/d/hd", 20),
      beat("camera/e/hd", 500),
    ]);
    const query: RunnerQuery = {
      kinds: [],
      statuses: [],
      healths: [],
      hosts: [],
      labels: [],
      text: "",
      retired: false,
      sort: { key: "severity", descending: false },
      limit: 10,
      after: undefined,
    };
    const names = scanFleet(table, query, MOMENT).slots.map((slot) => table.record(slot).runner);
    expect(names.map((name) => name[7]).join("")).toBe("ebdca");
  });
});

describe("names", () => {
  it("stay in order and searchable while runners come", () => {
    const some = fc.uniqueArray(fc.stringMatching(/^[a-cA-C]{1,4}$/), { maxLength: 30 });
    fc.assert(
      fc.property(some, fc.nat(30), fc.stringMatching(/^[a-c]{1,2}$/), (all, first, text) => {
        const before = fleetNames(all.slice(0, first), new Int32Array(0));
        const names = fleetNames(all, before.slots);
        expect(Array.from(names.slots, (slot) => all[slot])).toEqual(all.toSorted());
        expect(Array.from(names.withText(text))).toEqual(
          all.map((name) => (name.toLowerCase().includes(text) ? 1 : 0)),
        );
      }),
    );
  });
});
