import { renameSync, rmSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { Moment, ReadModels, RunnerQuery } from "../../lib/core/read-models.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { readFixture, T } from "./read-fixture.ts";
import type { ReadFixture } from "./read-fixture.ts";

const NOW: Moment = { now: T, view: CLEAR_VIEW };
const ALL: RunnerQuery = {
  kinds: [],
  statuses: [],
  healths: [],
  hosts: [],
  labels: [],
  text: "",
  retired: false,
  sort: { key: "runner", descending: false },
  limit: 1_000,
  after: undefined,
};

const opened: { close(): void }[] = [];

afterEach(() => {
  for (const thing of opened.splice(0).toReversed()) thing.close();
});

async function given(fill: (rows: ReadFixture) => void = () => undefined) {
  const rows = await readFixture();
  fill(rows);
  const models = openReadModels({ file: rows.file, thresholds: DEFAULT_THRESHOLDS });
  opened.push(rows, models);
  return { rows, models };
}

function names(models: ReadModels, query: Partial<RunnerQuery> = {}, moment = NOW): string[] {
  return models.runners({ ...ALL, ...query }, moment).items.map((item) => item.runner);
}

function statuses(models: ReadModels, moment = NOW): Record<string, string> {
  const { items } = models.runners(ALL, moment);
  return Object.fromEntries(items.map((item) => [item.runner, item.status.status]));
}

describe("the fleet in memory", () => {
  it("is empty on an empty database, with every count at zero", async () => {
    const { models } = await given();
    expect(names(models)).toEqual([]);
    const summary = models.summary(NOW);
    expect(summary.total).toBe(0);
    expect(summary.status).toEqual({
      starting: 0,
      online: 0,
      stale: 0,
      missing: 0,
      offline: 0,
      unknown: 0,
    });
    expect(Object.keys(summary.kinds)).toEqual(["camera", "worker", "service", "process"]);
    expect(summary.oldestSilence).toBeUndefined();
  });

  it("shows what is written after it was opened", async () => {
    const { rows, models } = await given();
    expect(names(models)).toEqual([]);
    rows.beat({ runner: "camera/a/hd" });
    rows.announced({ runner: "process/b/default" });
    expect(statuses(models)).toEqual({ "camera/a/hd": "online", "process/b/default": "offline" });
    rows.beat({ runner: "camera/a/hd", last_heartbeat_at: T - 20_000 });
    expect(statuses(models)["camera/a/hd"]).toBe("stale");
  });

  it("judges by the moment that it is asked for, not by when it read", async () => {
    const { models } = await given((rows) => rows.beat({ runner: "camera/a/hd" }));
    const at = (now: number) => statuses(models, { now, view: CLEAR_VIEW })["camera/a/hd"];
    expect(at(T + 14_000)).toBe("online");
    expect(at(T + 14_001)).toBe("stale");
    expect(at(T + 119_001)).toBe("offline");
    expect(at(T)).toBe("online");
  });

  it("shows everything as unknown while blind, and as before when it sees again", async () => {
    const { models } = await given((rows) => rows.beat({ runner: "camera/a/hd" }));
    expect(statuses(models)["camera/a/hd"]).toBe("online");
    const blind = { now: T, view: { blindSince: T - 500, lastBlind: null } };
    expect(statuses(models, blind)["camera/a/hd"]).toBe("unknown");
    expect(models.summary(blind).status.unknown).toBe(1);
    expect(statuses(models)["camera/a/hd"]).toBe("online");
  });

  it("joins what was announced of the process that beats, and counts those before it", async () => {
    const { models } = await given((rows) => {
      rows.announced({ runner: "camera/a/hd", pid: 7, started_at: T - 90_000, state: "killed" });
      rows.beat({ runner: "camera/a/hd" });
      rows.announced({ runner: "camera/a/hd" });
    });
    const { view } = models.runner("camera/a/hd", NOW);
    expect(view?.current).toMatchObject({ pid: 100, state: "running", isBeating: true });
    expect(view?.restarts).toBe(1);
    expect(view?.figures).toMatchObject({ fps: 24.9, seq: 6 });
  });

  it("lets a new process start without the figures of the one before", async () => {
    const { rows, models } = await given((rows) => {
      rows.announced({ runner: "camera/a/hd" });
      rows.beat({ runner: "camera/a/hd" });
    });
    expect(models.runner("camera/a/hd", NOW).view?.status.status).toBe("online");
    const next = { pid: 101, started_at: T - 500, announced_at: T - 490 };
    rows.announced({ runner: "camera/a/hd", ...next });
    const { view } = models.runner("camera/a/hd", NOW);
    expect(view?.status).toMatchObject({ status: "starting", since: T - 490 });
    expect(view?.current).toMatchObject({ pid: 101, isBeating: false });
    expect(view?.figures).toBeUndefined();
    rows.beat({ runner: "camera/a/hd", pid: 101, started_at: T - 500, last_heartbeat_at: T });
    expect(models.runner("camera/a/hd", NOW).view).toMatchObject({
      restarts: 1,
      status: { status: "online" },
    });
  });

  it("knows at once that a process ended", async () => {
    const { rows, models } = await given((rows) => {
      rows.announced({ runner: "camera/a/hd" });
      rows.beat({ runner: "camera/a/hd" });
    });
    expect(statuses(models)["camera/a/hd"]).toBe("online");
    rows.announced({ runner: "camera/a/hd", state: "exited", exit_code: 1, ended_at: T - 200 });
    expect(models.runner("camera/a/hd", NOW).view).toMatchObject({
      status: { status: "offline", cause: "ended" },
      current: { announced: { exit_code: 1 } },
    });
  });

  it("shows declared runners that were never heard of as starting, then offline", async () => {
    const { models } = await given();
    models.declare([{ runner: "camera/a/hd", driver: "camera", intervalSec: null }], T);
    expect(models.runner("camera/a/hd", NOW).view?.status.status).toBe("starting");
    const later = { now: T + 30_001, view: CLEAR_VIEW };
    expect(models.runner("camera/a/hd", later).view?.status).toMatchObject({
      status: "offline",
      cause: "never_seen",
    });
    models.declare([], T);
    expect(names(models)).toEqual([]);
  });

  it("gives a declared runner its own thresholds and interval", async () => {
    const { models } = await given((rows) =>
      rows.beat({ runner: "camera/a/hd", last_heartbeat_at: T - 20_000 }),
    );
    const own = { runner: "camera/a/hd", driver: "external" };
    expect(statuses(models)["camera/a/hd"]).toBe("stale");
    models.declare([{ ...own, intervalSec: 20 }], T);
    expect(statuses(models)["camera/a/hd"]).toBe("online");
    models.declare([{ ...own, intervalSec: null, thresholds: { staleSec: 18 } }], T);
    expect(statuses(models)["camera/a/hd"]).toBe("missing");
  });

  it("shows registered workers, and leaves out retired runners unless asked for", async () => {
    const { models } = await given((rows) => {
      rows.restart({ runner: "worker/w1/default", registered_at: T - 5_000, labels: { gpu: "0" } });
      rows.restart({ runner: "worker/w2/default", registered_at: T - 500_000 });
      rows.beat({ runner: "worker/w3/default" });
      rows.restart({ runner: "worker/w3/default", retired: 1 });
      rows.restart({ runner: "worker/w4/default", paused: 1 });
    });
    expect(statuses(models)).toEqual({
      "worker/w1/default": "starting",
      "worker/w2/default": "offline",
    });
    expect(names(models, { labels: ["gpu:0"] })).toEqual(["worker/w1/default"]);
    expect(names(models, { retired: true })).toContain("worker/w3/default");
    expect(models.summary(NOW).total).toBe(2);
    expect(models.isRegistered("worker/w1/default")).toBe(true);
    expect(models.isRegistered("worker/w3/default")).toBe(false);
  });

  it("reads the quick tables while they are marked, and the full ones again after", async () => {
    const { rows, models } = await given((rows) => rows.beat({ runner: "camera/slow/hd" }));
    expect(names(models)).toEqual(["camera/slow/hd"]);
    rows.beat({ runner: "camera/quick/hd" }, "fast");
    rows.db.exec("update lane set active = (lane = 'fast')");
    await waitFor(() => names(models)[0] === "camera/quick/hd", {
      what: "the quick tables are read",
    });
    expect(models.checkpoints().lane).toBe("fast");
    rows.db.exec("update lane set active = (lane = 'main')");
    await waitFor(() => names(models)[0] === "camera/slow/hd", {
      what: "the full tables are read",
    });
  });

  it("drops runners whose rows retention took", async () => {
    const { rows, models } = await given((rows) => {
      rows.beat({ runner: "camera/a/hd" });
      rows.beat({ runner: "camera/b/hd" });
    });
    expect(names(models)).toHaveLength(2);
    rows.db.exec("delete from latest_heartbeat where runner = 'camera/a/hd'");
    await waitFor(() => names(models).length === 1, { what: "the runner is gone" });
    expect(models.runner("camera/a/hd", NOW).view).toBeUndefined();
  });

  it("reads everything anew when a projection was rebuilt", async () => {
    const { rows, models } = await given((rows) => {
      rows.checkpoint({ projection: "latest_heartbeat", seq: 900 });
      rows.beat({ runner: "camera/a/hd", last_seq: 900 });
    });
    expect(models.runners(ALL, NOW)).toMatchObject({ seq: 900 });
    rows.db.transaction(() => {
      rows.db.exec("delete from latest_heartbeat");
      // The same number of rows, all below what was seen before.
      rows.beat({ runner: "camera/b/hd", last_seq: 3 });
      rows.checkpoint({ projection: "latest_heartbeat", seq: 3 });
    })();
    await waitFor(() => names(models)[0] === "camera/b/hd", { what: "the new row is read" });
    expect(models.runners(ALL, NOW)).toMatchObject({ seq: 3 });
  });

  it("follows the file when it is removed and made again", async () => {
    const folder = makeTempDir("read");
    const first = await readFixture(folder);
    first.beat({ runner: "camera/old/hd" });
    const models = openReadModels({ file: first.file, thresholds: DEFAULT_THRESHOLDS });
    opened.push(models);
    expect(names(models)).toEqual(["camera/old/hd"]);
    first.close();
    for (const tail of ["", "-wal", "-shm"]) rmSync(`${first.file}${tail}`, { force: true });
    await waitFor(() => {
      try {
        names(models);
        return false;
      } catch (error) {
        return (error as { code?: string }).code === "unavailable";
      }
    });
    const second = await readFixture(makeTempDir("read"));
    second.beat({ runner: "camera/new/hd" });
    second.close();
    renameSync(second.file, first.file);
    await waitFor(() => names(models)[0] === "camera/new/hd", { what: "the new file is read" });
  });

  it("says that there are no read models yet", () => {
    const models = openReadModels({ file: "/nowhere/x.db", thresholds: DEFAULT_THRESHOLDS });
    opened.push(models);
    expect(models.isLoaded()).toBe(false);
    expect(() => models.summary(NOW)).toThrow(/does not exist\. Start the projector/);
  });

  it("names the runner that has been silent for longest, but for those quiet for a reason", async () => {
    const { models } = await given((rows) => {
      rows.beat({ runner: "camera/a/hd", last_heartbeat_at: T - 50_000 });
      rows.beat({ runner: "camera/b/hd", last_heartbeat_at: T - 90_000 });
      rows.restart({ runner: "camera/b/hd", paused: 1 });
      rows.beat({ runner: "camera/c/hd", last_heartbeat_at: T - 80_000 });
      rows.announced({ runner: "camera/c/hd", state: "exited", ended_at: T - 79_000 });
      rows.beat({ runner: "worker/d/default", health: "degraded" });
    });
    const summary = models.summary(NOW);
    expect(summary.oldestSilence).toEqual({ runner: "camera/a/hd", lastHeartbeatAt: T - 50_000 });
    expect(summary.status).toMatchObject({ online: 1, missing: 2, offline: 1 });
    expect(summary.health).toEqual({ healthy: 3, degraded: 1, unhealthy: 0 });
    expect(summary.kinds.camera).toMatchObject({ total: 3, status: { missing: 2, online: 0 } });
    expect(summary.kinds.worker).toMatchObject({ total: 1, health: { degraded: 1 } });
  });
});
