import { expect, it } from "vitest";
import { T } from "../store/read-fixture.ts";
import { apiFixture, fixedMonitor } from "./api-fixture.ts";

const HOLDS = {
  messages: 40,
  bytes: 9_000,
  firstSeq: 3,
  firstTime: T - 60_000,
  lastTime: T,
  maxAgeSec: 86_400,
  maxBytes: 8 * 2 ** 30,
  maxMessages: null,
};
const CREATED = "2023-11-14T00:00:00.123456789Z";

it("GET /api/v1/streams tells what each stream holds and may hold", async () => {
  const streams = [
    { stream: "RUNBEAT_HEARTBEATS", created: CREATED, lastSeq: 42, holds: HOLDS },
    { stream: "RUNBEAT_EVENTS", created: CREATED, lastSeq: 0 },
  ];
  const api = await apiFixture({ monitor: fixedMonitor({ streams: () => streams }) });
  const { status, body } = await api.ask("/api/v1/streams");
  expect(status).toBe(200);
  expect(body.items).toEqual([
    {
      stream: "RUNBEAT_HEARTBEATS",
      created: "2023-11-14T00:00:00.123Z",
      messages: 40,
      bytes: 9_000,
      first_seq: 3,
      last_seq: 42,
      oldest: new Date(T - 60_000).toISOString(),
      newest: new Date(T).toISOString(),
      max_age_sec: 86_400,
      max_bytes: 8 * 2 ** 30,
      max_messages: null,
    },
  ]);
  api.close();
});
