import { afterEach, describe, expect, it } from "vitest";
import { CLEAR_VIEW } from "../../lib/core/status.ts";
import { serveApi } from "../../lib/api/server.ts";
import type { ApiOptions } from "../../lib/api/app.ts";
import { T } from "../store/read-fixture.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, fixedMonitor } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";
import { listen } from "./live-listener.ts";
import type { Listener } from "./live-listener.ts";

const opened: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

interface Live extends ApiFixture {
  readonly url: string;
  follow(query?: string, headers?: Record<string, string>): Promise<Listener>;
  stop(): void;
}

async function live(overrides: Partial<ApiOptions> = {}): Promise<Live> {
  const stopping = new AbortController();
  const api = await apiFixture({ stopping: stopping.signal, ...overrides });
  const server = await serveApi(api.app, { host: "127.0.0.1", port: 0 });
  opened.push(
    () => api.close(),
    () => server.close(),
    () => stopping.abort(),
  );
  const url = `${server.url}/api/v1/live`;
  return {
    ...api,
    url,
    stop: () => stopping.abort(),
    follow: async (query = "", headers = {}) => {
      const listener = await listen(url + query, headers);
      opened.push(() => listener.close());
      return listener;
    },
  };
}

const runner = (number: number): string => `camera/n${String(number).padStart(4, "0")}/hd`;

async function untilTold(listener: Listener, event: string, count = 1): Promise<void> {
  await waitFor(() => listener.of(event).length >= count, { what: `${count} × ${event}` });
}

/** The fleet as a client knows it that does as it is told. */
function fleetOf(...listeners: Listener[]): Record<string, number> {
  const fleet = new Map<string, number>();
  for (const { event, data } of listeners.flatMap(({ told }) => told)) {
    if (event === "reset") fleet.clear();
    for (const item of event === "snapshot" ? data.items : event === "runner" ? [data] : [])
      fleet.set(item.runner, item.heartbeat?.seq ?? -1);
    if (event === "gone") fleet.delete(data.runner);
  }
  return Object.fromEntries(fleet);
}

describe("the live stream", () => {
  it("begins with the fleet and its summary, in the words of the other routes", async () => {
    const { rows, ask, follow } = await live();
    rows.beat({ runner: runner(1), fps: 25 });
    const listener = await follow();
    await untilTold(listener, "summary");
    const { body } = await ask("/api/v1/runners");
    expect(listener.told[0]).toMatchObject({ event: "snapshot", data: { more: false } });
    expect(listener.told[0]?.data.items).toEqual(body.items);
    expect(listener.told[0]?.data.as_of).toEqual(body.as_of);
    expect(listener.of("summary")[0]?.data).toMatchObject({ total: 1, status: { online: 1 } });
    expect(listener.response.headers["content-type"]).toContain("text/event-stream");
  });

  it("tells a runner that beats, one that comes and one that was retired", async () => {
    const { rows, follow } = await live();
    rows.beat({ runner: runner(1), seq: 1 });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    rows.beat({ runner: runner(1), seq: 2 });
    rows.beat({ runner: runner(2), seq: 7 });
    await untilTold(listener, "runner", 2);
    expect(fleetOf(listener)).toEqual({ [runner(1)]: 2, [runner(2)]: 7 });
    rows.restart({ runner: runner(1), retired: 1 });
    await untilTold(listener, "gone");
    expect(fleetOf(listener)).toEqual({ [runner(2)]: 7 });
  });

  it("tells a status that changes by the mere passing of time", async () => {
    let now = T;
    const moment = () => ({ now, view: CLEAR_VIEW });
    const { rows, follow } = await live({ monitor: fixedMonitor({ moment }) });
    rows.beat({ runner: runner(1), last_heartbeat_at: T - 1_000 });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    now += 20_000;
    await untilTold(listener, "runner");
    expect(listener.of("runner")[0]?.data).toMatchObject({ status: "stale", age_ms: 21_000 });
  });

  it("tells a runner that retention took", async () => {
    const { rows, follow } = await live();
    for (let number = 1; number <= 3; number++) rows.beat({ runner: runner(number) });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    rows.db.prepare("delete from latest_heartbeat where runner = ?").run(runner(2));
    await untilTold(listener, "gone");
    expect(listener.of("gone").map(({ data }) => data.runner)).toEqual([runner(2)]);
    expect(listener.of("runner")).toEqual([]);
  });

  it("tells rows that a rebuild changed, though no message is newer", async () => {
    const { rows, follow } = await live();
    rows.beat({ runner: runner(1), seq: 1 });
    rows.checkpoint({ projection: "latest_heartbeat", seq: 1, generation: 1 });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    rows.db.transaction(() => {
      rows.db.prepare("update latest_heartbeat set seq = 5").run();
      rows.checkpoint({ projection: "latest_heartbeat", seq: 1, generation: 2 });
    })();
    await untilTold(listener, "runner");
    expect(fleetOf(listener)).toEqual({ [runner(1)]: 5 });
  });

  it("tells those who are there what a newcomer's first look found", async () => {
    const { rows, follow } = await live();
    rows.beat({ runner: runner(1), seq: 0 });
    const first = await follow();
    const wall = await follow(`?runner=${runner(1)}`);
    await untilTold(wall, "snapshot");
    for (let seq = 1; seq <= 25; seq++) {
      rows.beat({ runner: runner(1), seq });
      await untilTold(await follow(), "snapshot");
      await waitFor(() => [first, wall].every((one) => fleetOf(one)[runner(1)] === seq));
    }
  });

  it("tells every event once, also to one that comes back", async () => {
    const { rows, follow } = await live();
    const happen = (seq: number): void => {
      rows.event({ runner: runner(1), stream_seq: seq, type: "process_spawned" });
      rows.checkpoint({ projection: "timeline", seq });
    };
    happen(1);
    const first = await follow();
    await untilTold(first, "snapshot");
    happen(2);
    await untilTold(first, "event");
    first.close();
    happen(3);
    happen(4);
    const second = await follow("", { "last-event-id": first.told.at(-1)?.id ?? "" });
    await untilTold(second, "event", 2);
    happen(5);
    await untilTold(second, "event", 3);
    const seqs = [first, second].flatMap((one) => one.of("event").map(({ data }) => data.seq));
    expect(seqs).toEqual([2, 3, 4, 5]);
    expect(second.of("snapshot")).toEqual([]);
  });

  it("goes on where a client was cut off, without loss", async () => {
    const { rows, follow } = await live();
    for (let number = 1; number <= 20; number++) rows.beat({ runner: runner(number), seq: 1 });
    const first = await follow();
    await untilTold(first, "snapshot");
    for (let number = 1; number <= 9; number++) rows.beat({ runner: runner(number), seq: 2 });
    await untilTold(first, "runner", 4);
    first.close();
    for (let number = 5; number <= 12; number++) rows.beat({ runner: runner(number), seq: 3 });
    rows.restart({ runner: runner(20), retired: 1 });
    const lastId = first.told.at(-1)?.id ?? "";
    const second = await follow("", { "last-event-id": lastId });
    await untilTold(second, "gone");
    const seq = (number: number) => (number <= 4 ? 2 : number <= 12 ? 3 : 1);
    const all = Array.from({ length: 19 }, (_, index) => [runner(index + 1), seq(index + 1)]);
    await waitFor(() => fleetOf(first, second)[runner(12)] === 3, { what: "the last change" });
    expect(fleetOf(first, second)).toEqual(Object.fromEntries(all));
    expect(second.of("reset")).toEqual([]);
  });

  it.each(["nonsense", "abc.1-5-6", `${"a".repeat(32)}.1-0-0`])(
    "begins anew for whoever was elsewhere before: %s",
    async (id) => {
      const { rows, follow } = await live();
      rows.beat({ runner: runner(1) });
      const listener = await follow("", { "last-event-id": id });
      await untilTold(listener, "snapshot");
      expect(listener.told.slice(0, 2).map(({ event }) => event)).toEqual(["reset", "snapshot"]);
    },
  );

  it("begins anew when the stream of events did", async () => {
    const { rows, follow } = await live();
    rows.beat({ runner: runner(1) });
    rows.checkpoint({ projection: "timeline", seq: 9, stream_created: "one" });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    rows.checkpoint({ projection: "timeline", seq: 2, stream_created: "two" });
    await untilTold(listener, "snapshot", 2);
    expect(listener.of("reset")).toHaveLength(1);
  });

  it("tells only what was asked for", async () => {
    const { rows, follow } = await live();
    rows.beat({ runner: runner(1) });
    rows.beat({ runner: "worker/w1/default" });
    const workers = await follow("?kind=worker");
    const one = await follow(`?runner=${runner(1)}`);
    await untilTold(workers, "snapshot");
    await untilTold(one, "snapshot");
    rows.beat({ runner: runner(2), seq: 1 });
    rows.beat({ runner: runner(1), seq: 2 });
    rows.beat({ runner: "worker/w1/default", seq: 3 });
    await untilTold(workers, "runner");
    await untilTold(one, "runner");
    expect(fleetOf(workers)).toEqual({ "worker/w1/default": 3 });
    expect(fleetOf(one)).toEqual({ [runner(1)]: 2 });
  });

  it("tells those who follow single runners what concerns them, and nothing else", async () => {
    const { rows, follow } = await live();
    for (let number = 1; number <= 30; number++) rows.beat({ runner: runner(number), seq: 1 });
    const walls = await Promise.all(
      [1, 11, 21].map((first) =>
        follow(
          `?runner=${Array.from({ length: 10 }, (_, index) => runner(first + index)).join(",")}`,
        ),
      ),
    );
    for (const wall of walls) await untilTold(wall, "summary");
    for (let round = 2; round <= 6; round++)
      for (const number of [3, 14, 15, 15 + round])
        rows.beat({ runner: runner(number), seq: round });
    rows.event({ runner: runner(14), stream_seq: 1 });
    rows.checkpoint({ projection: "timeline", seq: 1 });
    const [one, two, three] = walls as [Listener, Listener, Listener];
    await waitFor(() => fleetOf(one)[runner(3)] === 6 && fleetOf(two)[runner(15)] === 6);
    await waitFor(() => fleetOf(three)[runner(21)] === 6);
    await untilTold(two, "event");
    expect(walls.map((wall) => Object.keys(fleetOf(wall)).length)).toEqual([10, 10, 10]);
    expect(fleetOf(two)).toMatchObject({ [runner(17)]: 2, [runner(20)]: 5, [runner(11)]: 1 });
    expect([one, three].flatMap((wall) => wall.of("event"))).toEqual([]);
    expect(new Set(one.of("runner").map(({ data }) => data.runner))).toEqual(new Set([runner(3)]));
  });

  it("sends a large fleet in parts, small on the wire, and the same in either form", async () => {
    const { rows, ask, follow } = await live();
    const write = rows.db.transaction(() => {
      for (let number = 0; number < 2_500; number++) rows.beat({ runner: runner(number), seq: 1 });
    });
    write();
    await waitFor(async () => (await ask("/api/v1/summary")).body.total === 2_500);
    const packed = await follow("", { "accept-encoding": "gzip" });
    const plain = await follow();
    await untilTold(packed, "snapshot", 3);
    await untilTold(plain, "snapshot", 3);
    rows.beat({ runner: runner(7), seq: 2 });
    await untilTold(packed, "runner");
    await untilTold(plain, "runner");
    expect(packed.response.headers["content-encoding"]).toBe("gzip");
    expect(packed.of("snapshot").map(({ data }) => data.more)).toEqual([true, true, false]);
    expect(Object.keys(fleetOf(packed))).toHaveLength(2_500);
    expect(fleetOf(packed)).toEqual(fleetOf(plain));
    expect(packed.response.socket.bytesRead).toBeLessThan(plain.response.socket.bytesRead / 8);
  });

  it("makes one snapshot for all who begin together, and tells each what came after it", async () => {
    const { rows, ask, follow } = await live();
    rows.db.transaction(() => {
      for (let number = 0; number < 2_500; number++) rows.beat({ runner: runner(number), seq: 1 });
    })();
    await waitFor(async () => (await ask("/api/v1/summary")).body.total === 2_500);
    const listeners = await Promise.all(Array.from({ length: 10 }, async () => await follow()));
    await Promise.all(listeners.map((listener) => untilTold(listener, "snapshot", 3)));
    const metrics = (await ask("/metrics")).body as string;
    const frames = Number(/^runbeat_live_frames_total (\d+)/m.exec(metrics)?.[1]);
    expect(frames).toBeGreaterThanOrEqual(3);
    // One each would make thirty parts; a second one of all is made where this takes seconds.
    expect(frames).toBeLessThan(20);
    rows.beat({ runner: runner(7), seq: 2 });
    for (const listener of [...listeners, await follow()])
      await waitFor(() => fleetOf(listener)[runner(7)] === 2);
  });

  it("holds nothing up for a client that takes nothing, and tells it the newest at last", async () => {
    const { rows, follow } = await live();
    const beatAll = rows.db.transaction((seq: number) => {
      const detail = JSON.stringify({ text: "y".repeat(8_000) });
      for (let number = 0; number < 400; number++)
        rows.beat({ runner: runner(number), seq, detail });
    });
    const last = (listener: Listener): number =>
      listener.told.findLast(({ data }) => data.runner === runner(399))?.data.heartbeat.seq ?? 1;
    beatAll(1);
    const slow = await follow();
    await untilTold(slow, "snapshot");
    slow.pause();
    const quick = await follow();
    for (let seq = 2; seq <= 9; seq++) {
      beatAll(seq);
      await waitFor(() => last(quick) === seq, { what: `round ${seq}` });
    }
    slow.resume();
    await waitFor(() => last(slow) === 9, { what: "the slow one to come after" });
    expect(fleetOf(slow)).toEqual(fleetOf(quick));
    expect(slow.of("runner").length).toBeLessThan(quick.of("runner").length);
  });

  it("lets everybody go when the API stops, and takes nobody more", async () => {
    const { follow, stop, url } = await live();
    const listener = await follow();
    await untilTold(listener, "snapshot");
    stop();
    await waitFor(() => listener.response.complete, { what: "the end of the stream" });
    expect((await fetch(url)).status).toBe(503);
  });

  it("masks what others say, as every answer does", async () => {
    const { rows, follow } = await live();
    const error = "rtsp://viewer:hunter2@10.0.0.7/stream1 refused";
    rows.beat({ runner: runner(1), last_error: error });
    const listener = await follow();
    await untilTold(listener, "snapshot");
    rows.beat({ runner: runner(1), last_error: `${error} again` });
    rows.event({ runner: runner(1), stream_seq: 1, data: JSON.stringify({ error }) });
    rows.checkpoint({ projection: "timeline", seq: 1 });
    await untilTold(listener, "runner");
    await untilTold(listener, "event");
    expect(JSON.stringify(listener.told)).not.toContain("hunter2");
  });

  it("needs the read key where there is one", async () => {
    const keys = { readKey: "r".repeat(20), operateKey: null, heartbeatKey: "h", more: [] };
    const { url, follow } = await live({ keys });
    expect((await fetch(url)).status).toBe(401);
    const listener = await follow("", { authorization: `Bearer ${keys.readKey}` });
    await untilTold(listener, "snapshot");
  });

  it("refuses what it can't do, before any event", async () => {
    const { url, ask } = await live();
    expect((await fetch(`${url}?kind=cat`)).status).toBe(400);
    expect((await fetch(url, { headers: { accept: "text/html" } })).status).toBe(406);
    expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
    expect((await ask("/api/v1/live")).status).toBe(503);
  });
});
