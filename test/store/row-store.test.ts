import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../../lib/store/open.ts";
import { WHOLE, rowStore } from "../../lib/store/row-store.ts";
import { processHeartbeatTable } from "../../lib/store/tables.ts";
import type { ProcessHeartbeatRow } from "../../lib/store/tables.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const ROW: ProcessHeartbeatRow = {
  runner: "camera/front/hd",
  kind: "camera",
  name: "front",
  profile: "hd",
  host: "edge-1",
  pid: 7,
  started_at: 0,
  first_heartbeat_at: 1_000,
  last_heartbeat_at: 1_000,
  last_error: "",
  last_error_at: null,
  interval_sec: 10,
  heartbeat_count: 1,
  first_seq: 1,
  last_seq: 1,
};

describe("a table's rows", () => {
  test("a changed row is written, whatever part of it changed", async () => {
    const db = await openDatabase(join(makeTempDir("rows"), "runbeat.db"));
    const store = rowStore<ProcessHeartbeatRow>(db, processHeartbeatTable, "main");
    const changes: Partial<ProcessHeartbeatRow>[] = [
      { last_heartbeat_at: 2_000, heartbeat_count: 2, last_seq: 2 },
      { last_error: "no route to host", last_error_at: 3_000, last_seq: 3 },
      { interval_sec: null, first_seq: 4 },
    ];
    store.write(ROW, WHOLE);
    let before = ROW;
    for (const change of changes) {
      const row = { ...before, ...change };
      store.write(row, store.changeOf(before, row));
      expect(store.read([ROW.runner, ROW.host, ROW.pid, ROW.started_at])).toEqual(row);
      before = row;
    }
    db.close();
  });

  test("a row that retention removed since it was read is written whole", async () => {
    const db = await openDatabase(join(makeTempDir("rows"), "runbeat.db"));
    const store = rowStore<ProcessHeartbeatRow>(db, processHeartbeatTable, "main");
    store.write(ROW, WHOLE);
    db.exec("delete from process_heartbeat");
    const row = { ...ROW, last_heartbeat_at: 2_000, heartbeat_count: 2, last_seq: 2 };
    store.write(row, store.changeOf(ROW, row));
    expect(store.read([ROW.runner, ROW.host, ROW.pid, ROW.started_at])).toEqual(row);
    db.close();
  });
});
