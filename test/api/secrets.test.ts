import { afterEach, describe, expect, it } from "vitest";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const opened: ApiFixture[] = [];

afterEach(() => {
  for (const api of opened.splice(0)) {
    api.assertNoFaults();
    api.close();
  }
});

const URL_WITH_LOGIN = "rtsp://viewer:hunter2@cam/x";
const DAY = "camera/day/hd";

/** A fleet whose heartbeats and events came from programs that redact nothing. */
async function given(): Promise<ApiFixture> {
  const api = await apiFixture();
  opened.push(api);
  const said = JSON.stringify({ note: `from ${URL_WITH_LOGIN}`, token_count: 7 });
  const error = `${URL_WITH_LOGIN}: "Connection" refused`;
  const times = { last_error: error, last_error_at: 1 };
  api.rows.beat({ runner: DAY, detail: said, metrics: '{"tokens":9}', ...times });
  api.rows.heard({ runner: DAY, ...times });
  api.rows.snapshot({ runner: DAY, last_error: error });
  api.rows.event({ runner: DAY, type: "camera_offline", data: said });
  api.rows.announced({ runner: DAY, effective_args: JSON.stringify(["-i", URL_WITH_LOGIN]) });
  api.rows.rejected({ message: `of ${URL_WITH_LOGIN}` });
  return api;
}

describe("the API names no login that others have published:", () => {
  it.each([
    "/api/v1/runners",
    `/api/v1/runners/${DAY}`,
    `/api/v1/runners/${DAY}/history`,
    `/api/v1/runners/${DAY}/timeline`,
    "/api/v1/timeline",
    "/api/v1/processes",
    "/api/v1/quarantine",
    "/metrics/runners",
  ])("%s", async (path) => {
    const api = await given();
    const { status, body } = await api.ask(path);
    expect(status).toBe(200);
    const text = JSON.stringify(body);
    expect(text).not.toContain("hunter2");
    if (path !== "/metrics/runners") expect(text).toContain("rtsp://***@cam/x");
  });

  it("and leaves what is no login as it is", async () => {
    const api = await given();
    const { body } = await api.ask(`/api/v1/runners/${DAY}`);
    expect(body.heartbeat.detail).toEqual({ note: "from rtsp://***@cam/x", token_count: 7 });
    expect(body.heartbeat.metrics).toEqual({ tokens: 9 });
    expect(body.last_error).toBe('rtsp://***@cam/x: "Connection" refused');
  });

  it("nor one that is in a question", async () => {
    const api = await given();
    const asked = [
      `/api/v1/runners?sort=${encodeURIComponent(URL_WITH_LOGIN)}`,
      `/api/v1/runners?label=${encodeURIComponent("password=hunter2")}`,
      `/api/v1/runners?${encodeURIComponent(URL_WITH_LOGIN)}=1`,
      `/api/v1/nothing/${URL_WITH_LOGIN}`,
    ];
    for (const path of asked) {
      const { status, body } = await api.ask(path).catch(async () => ({
        status: 404,
        body: await (await api.app.request(path)).text(),
      }));
      expect(status).toBeGreaterThanOrEqual(400);
      expect(JSON.stringify(body)).not.toContain("hunter2");
    }
  });
});
