import { describe, expect, it } from "vitest";
import { parseMoment } from "../../lib/core/moment.ts";
import { KeyParser } from "../../lib/terminal/key-parser.ts";
import { FIRST_VIEW, press, rowsOf } from "../../lib/terminal/top-view.ts";
import type { TopAct, TopView } from "../../lib/terminal/top-view.ts";
import { NOW, topRunner } from "./top-fixture.ts";

const RUNNERS = [
  topRunner("camera/yard/hd"),
  topRunner("worker/gpu-0/default", { status: "stale", ageMs: 20_000 }),
  topRunner("worker/gpu-1/default", { status: "stale", ageMs: 30_000 }),
  topRunner("process/bidder/default", { status: "offline", ageMs: 900_000 }),
  topRunner("camera/attic/hd", { health: "degraded" }),
];

function names(view: TopView): string[] {
  return rowsOf(view, RUNNERS).map(({ runner }) => runner);
}

function keys(view: TopView, text: string): { view: TopView; act: TopAct | undefined } {
  let now = view;
  let last: TopAct | undefined;
  for (const key of new KeyParser().take(text)) {
    const facts = {
      rows: names(now),
      pageRows: 2,
      shownMs: now.at ?? NOW,
      nowMs: NOW,
      parseMoment,
    };
    const { view: next, act } = press(now, key, facts);
    now = next;
    last = act;
  }
  return { view: now, act: last };
}

function after(text: string): TopView {
  return keys(FIRST_VIEW, text).view;
}

describe("the rows of runbeat top", () => {
  it("stand worst first, the longest silence before shorter ones, and the well by name", () => {
    expect(names(FIRST_VIEW)).toEqual([
      "process/bidder/default",
      "worker/gpu-1/default",
      "worker/gpu-0/default",
      "camera/attic/hd",
      "camera/yard/hd",
    ]);
  });

  it("are those that have all words of the filter", () => {
    expect(names({ ...FIRST_VIEW, filter: "GPU stale" })).toHaveLength(2);
    expect(names({ ...FIRST_VIEW, filter: "gpu edge-1 1" })).toHaveLength(2);
    expect(names({ ...FIRST_VIEW, filter: "gpu offline" })).toEqual([]);
    expect(names({ ...FIRST_VIEW, onlyTrouble: true })).not.toContain("camera/yard/hd");
  });

  it("are those of exactly the named hosts, kinds, healths and labels", () => {
    const gpu = topRunner("worker/gpu-2/default");
    const heartbeat = gpu.heartbeat && { ...gpu.heartbeat, labels: { backend: "CUDA", bus: "0" } };
    const all = [...RUNNERS, { ...gpu, heartbeat }];
    const found = (filter: string) =>
      rowsOf({ ...FIRST_VIEW, filter }, all).map(({ runner }) => runner);
    expect(found("health:degraded")).toEqual(["camera/attic/hd"]);
    expect(found("kind:camera,process status:online")).toHaveLength(2);
    expect(found("host:edge-1")).toHaveLength(6);
    expect(found("host:edge")).toEqual([]);
    expect(found("label:backend:cuda label:bus:0")).toEqual(["worker/gpu-2/default"]);
    expect(found("label:backend:cuda label:bus:1")).toEqual([]);
    expect(found("cuda")).toEqual(["worker/gpu-2/default"]);
  });

  it("turn around", () => {
    const view = { ...FIRST_VIEW, sort: "runner" } as const;
    expect(names({ ...view, isReversed: true })).toEqual(names(view).toReversed());
  });
});

describe("the keys of runbeat top", () => {
  it("move the cursor and scroll only as far as it takes", () => {
    expect(after("\u001B[B\u001B[B")).toMatchObject({ selected: "worker/gpu-0/default", top: 1 });
    expect(after("G")).toMatchObject({ selected: "camera/yard/hd", top: 3 });
    expect(after("G\u001B[5~")).toMatchObject({ selected: "worker/gpu-0/default", top: 2 });
    expect(after("Gg")).toMatchObject({ selected: undefined, top: 0 });
  });

  it("filter while one types, and keep or drop what was typed", () => {
    expect(after("/attx\u007F").filter).toBe("att");
    expect(after("/att\r")).toMatchObject({ filter: "att", prompt: undefined });
    expect(after("/att\u001B")).toMatchObject({ filter: "", prompt: undefined });
    expect(after("/q")).toMatchObject({ filter: "q" });
    expect(after("/att\r\u001B").filter).toBe("");
  });

  it("sort by the next key, by a number, and the other way around", () => {
    expect(after("s").sort).toBe("runner");
    expect(after("ssssss").sort).toBe("severity");
    expect(after("4r")).toMatchObject({ sort: "restarts", isReversed: true });
  });

  it("open the runner under the cursor, though the cursor was never moved", () => {
    expect(after("\r")).toMatchObject({ page: "runner", selected: "process/bidder/default" });
    expect(after("\rq")).toMatchObject({ page: "fleet" });
    expect(after("ee")).toMatchObject({ page: "fleet" });
  });

  it("go back in time, step by step, and never into the future", () => {
    expect(after("t-15m\r").at).toBe(NOW - 900_000);
    expect(after("t03:00\r").at).toBe(NOW - 720_000);
    expect(after("[[}").at).toBeUndefined();
    expect(after("[{").at).toBe(NOW - 660_000);
    expect(after("[l").at).toBeUndefined();
    expect(after("tsoon\r")).toMatchObject({ at: undefined, prompt: { text: "soon" } });
    expect(after("tsoon\r").message).toContain('"soon" is no time');
  });

  it("quit from the fleet and with ctrl-C from anywhere", () => {
    expect(keys(FIRST_VIEW, "q").act).toBe("quit");
    expect(keys(FIRST_VIEW, "eq").act).toBeUndefined();
    expect(keys(FIRST_VIEW, "/a\u0003").act).toBe("quit");
    expect(keys(FIRST_VIEW, "\u001A").act).toBe("suspend");
  });

  it("are understood in pieces, and several at once", () => {
    const parser = new KeyParser();
    expect(parser.take("\u001B[")).toEqual([]);
    expect(parser.take("5~\u001BOAä\u001B")).toEqual(["page-up", "up", "ä", "escape"]);
  });
});
