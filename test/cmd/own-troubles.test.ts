import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchOwn } from "../../cmd/own-troubles.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import type { PipelineMonitor } from "../../lib/api/pipeline-monitor.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import type { ReadModels } from "../../lib/core/read-models.ts";
import { recordCheck } from "../../lib/store/findings.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { fixedMonitor } from "../api/api-fixture.ts";
import { readFixture, T } from "../store/read-fixture.ts";
import type { ReadFixture } from "../store/read-fixture.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const BLIND = { now: T, view: { ...CLEAR_VIEW, blindSince: T - 9_000 } };

describe("what is wrong with Runbeat itself", () => {
  let rows: ReadFixture;
  let models: ReadModels;

  beforeEach(async () => {
    rows = await readFixture();
    models = openReadModels({ file: rows.file, thresholds: DEFAULT_THRESHOLDS });
  });

  afterEach(() => {
    models.close();
    rows.close();
  });

  /** @param fullPercent at so much used the disk counts as full. */
  function troubles(monitor: Partial<PipelineMonitor> = {}, fullPercent = 100): string[] {
    const rules = JSON.stringify([{ type: "disk_full", limit: fullPercent }]);
    const environment = { RUNBEAT_DATA_DIR: makeTempDir("own"), RUNBEAT_ALERTS_RULES: rules };
    const { settings } = loadSettings({ environment });
    const context = { settings, paths: pathsOf(settings) };
    const look = watchOwn({ context, models, monitor: fixedMonitor(monitor) });
    return look().map(({ type, member, detail }) => `${type} ${member}: ${detail}`);
  }

  it("is nothing while all is well", () => {
    rows.checkpoint({ projection: "latest_heartbeat" });
    expect(troubles()).toEqual([]);
  });

  it("is that the read models are behind, unless NATS is to blame", () => {
    expect(troubles({ moment: () => BLIND })).toEqual([
      "projection_behind projector: the projector does not keep up, or does not run",
    ]);
    expect(troubles({ moment: () => BLIND, trouble: () => "NATS does not answer" })).toEqual([]);
  });

  it("is each projection whose fold failed, and where", () => {
    rows.checkpoint({ projection: "latest_heartbeat" });
    rows.checkpoint({ projection: "mine", state: "stopped", error: "no such", error_seq: 7 });
    expect(troubles()).toEqual(["projection_stopped mine: at sequence 7: no such"]);
  });

  it("is each projection whose rows differ from the streams, with what differs", () => {
    const finding = { projection: "latest_heartbeat", stream: "S", firstSeq: 1, lastSeq: 9 };
    const found = {
      row: "camera/c4/hd",
      column: "fps",
      live: "1",
      folded: "25",
      runner: undefined,
    };
    const findings = [{ ...finding, ...found }];
    recordCheck(rows.db, { scope: "all", rows: 1, unjudged: 0, judged: [], findings });
    expect(troubles()).toEqual(["verify_difference latest_heartbeat: camera/c4/hd fps: 1 for 25"]);
  });

  it("is a disk on which as much is used as the rule allows", () => {
    expect(troubles({}, 0)).toEqual([expect.stringMatching(/^disk_full .*: \d+ % are used$/)]);
  });
});
