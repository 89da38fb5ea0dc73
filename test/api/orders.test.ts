import { hostname } from "node:os";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openOrderDesk } from "../../cmd/order-desk.ts";
import type { ApiOptions } from "../../lib/api/app.ts";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import type { Order } from "../../lib/core/decide-orders.ts";
import { AppError } from "../../lib/core/errors.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { OperatorLine } from "../../lib/nats/operator-line.ts";
import { sentinelRig } from "../sentinel/sentinel-rig.ts";
import type { SentinelRig } from "../sentinel/sentinel-rig.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, HEARTBEAT_KEY, noStreams } from "./api-fixture.ts";
import type { Answer, ApiFixture } from "./api-fixture.ts";

const KEYS = { readKey: "read-1", operateKey: "operate-1", heartbeatKey: HEARTBEAT_KEY, more: [] };
/** In a fleet, watched only, and nobody's. */
const MANAGED = "process/a/default";
const WATCHED = "service/vpn/main";
const FOREIGN = "worker/gpu-0/default" as RunnerId;
const US = `api@${hostname()}`;

let server: TestNatsServer;
let rig: SentinelRig;
let nc: NatsConnection;
let streams: StreamAccess;
let operator: OperatorLine;
/** What the enforcer was asked for. */
const carriedOut: { readonly runner: RunnerId; readonly order: Order }[] = [];

beforeAll(async () => {
  server = await startNatsServer();
  rig = await sentinelRig(server);
  nc = await connect({ servers: server.url });
  streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  operator = new OperatorLine(nc, { prefixes: DEFAULT_PREFIXES, by: US });
  openOrderDesk(rig.nc, DEFAULT_PREFIXES, "enforcer@edge-1", (runner, order) => {
    if (runner === WATCHED) throw new AppError("invalid", `${runner} is watched only`);
    carriedOut.push({ runner, order });
    return `${runner} is done with`;
  }).serve([MANAGED, WATCHED] as RunnerId[]);
  await rig.nc.flush();
  rig.beat([MANAGED, WATCHED, FOREIGN]);
  await waitFor(() => {
    const { view } = rig.models.runner(FOREIGN, rig.monitor.moment());
    return streams.isConnected() && view !== undefined;
  });
});

afterAll(async () => {
  await nc?.close();
  await rig?.close();
});

let api: ApiFixture | undefined;

afterEach(() => {
  carriedOut.splice(0);
  const last = api;
  api = undefined;
  last?.close();
  last?.assertNoFaults();
});

async function given(overrides: Partial<ApiOptions> = {}): Promise<ApiFixture> {
  const { models, monitor } = rig;
  api = await apiFixture({ models, monitor, streams, operator, keys: KEYS, ...overrides });
  return api;
}

async function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const authorization = "Bearer operate-1";
  return await (api as ApiFixture).ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

function ordersOf(runner: string): string {
  return `/api/v1/runners/${runner}/orders`;
}

function brief({ status, body }: Answer): unknown[] {
  return [status, body.code];
}

describe("whoever wants something changed", () => {
  it.each([ordersOf(MANAGED), "/api/v1/silences", "/api/v1/silences/x/lift"])(
    "needs the operate key for %s: 401 without, 403 with another",
    async (path) => {
      await given();
      expect(brief(await post(path, {}, { authorization: "" }))).toEqual([401, "unauthorized"]);
      for (const wrong of ["read-1", "operate-", HEARTBEAT_KEY]) {
        const answer = await post(path, {}, { authorization: `Bearer ${wrong}` });
        expect(brief(answer)).toEqual([403, "forbidden"]);
      }
    },
  );

  it("is told how, where no operate key is set or an export is open", async () => {
    const reading = { headers: { authorization: "Bearer read-1" } };
    await given({ keys: { ...KEYS, operateKey: null } });
    const answer = await post(ordersOf(MANAGED), { order: "pause" });
    expect(brief(answer)).toEqual([403, "forbidden"]);
    expect(answer.body.detail).toContain("RUNBEAT_OPERATE_KEY");
    const standing = await api?.ask("/api/v1/orders", reading);
    expect(standing?.body).toMatchObject({ accepted: false });
    expect(standing?.body.why_not).toContain("RUNBEAT_OPERATE_KEY");
    api?.close();

    const standsAt = () => Date.parse("2026-01-31T03:12:00Z");
    await given({ monitor: { ...rig.monitor, moment: () => rig.monitor.moment(), standsAt } });
    const refused = await post(ordersOf(MANAGED), { order: "pause" });
    expect(brief(refused)).toEqual([409, "conflict"]);
    expect(refused.body.detail).toContain("an export as it stood at 2026-01-31T03:12:00.000Z");
    expect((await api?.ask("/api/v1/orders", reading))?.body).toMatchObject({ accepted: false });
    expect(carriedOut).toEqual([]);
  });

  it("changes nothing of the past", async () => {
    await given();
    const past = await post(`${ordersOf(MANAGED)}?at=2026-01-31T03:12:00Z`, { order: "pause" });
    expect(brief(past)).toEqual([409, "conflict"]);
    expect(carriedOut).toEqual([]);
  });

  it("learns at once that NATS is away", async () => {
    await given({ streams: noStreams() });
    const answer = await post(ordersOf(MANAGED), { order: "pause" });
    expect(brief(answer)).toEqual([503, "unavailable"]);
    expect(answer.headers.get("retry-after")).not.toBeNull();
  });
});

describe("an order over the API", () => {
  it("reaches the enforcer with its reason and whoever asked, and its words come back", async () => {
    await given();
    const order = { order: "restart", reason: "new lens", by: "ada" };
    const { status, body } = await post(ordersOf(MANAGED), order);
    expect(status).toBe(200);
    expect(body).toEqual({
      ok: true,
      runner: MANAGED,
      order: "restart",
      said: `${MANAGED} is done with`,
      by: "enforcer@edge-1",
    });
    const by = `ada via ${US}`;
    expect(carriedOut).toEqual([
      { runner: MANAGED, order: { order: "restart", reason: "new lens", by } },
    ]);
  });

  it("that can't be carried out says why", async () => {
    await given();
    const of = async (runner: string, body: unknown) => brief(await post(ordersOf(runner), body));
    expect(await of("worker/nobody/default", { order: "pause" })).toEqual([404, "unknown_runner"]);
    expect(await of(FOREIGN, { order: "pause" })).toEqual([409, "no_enforcer"]);
    expect(await of(WATCHED, { order: "pause" })).toEqual([409, "conflict"]);
    expect(await of(MANAGED, { order: "explode" })).toEqual([400, "invalid_body"]);
    expect(await of(MANAGED, { order: "pause", runner: FOREIGN })).toEqual([400, "invalid_body"]);
    expect(await of(MANAGED, "{")).toEqual([400, "invalid_json"]);
    expect(await of(MANAGED, JSON.stringify({ order: "x".repeat(20_000) }))).toEqual([
      413,
      "too_large",
    ]);
    expect(carriedOut).toEqual([]);
  });

  it("sent twice under one Idempotency-Key is given once", async () => {
    await given();
    const key = { "idempotency-key": "k1" };
    const path = ordersOf(MANAGED);
    const twice = [post(path, { order: "restart" }, key), post(path, { order: "restart" }, key)];
    const [first, second] = await Promise.all(twice);
    expect([first?.status, second?.status]).toEqual([200, 200]);
    expect(second?.body).toEqual(first?.body);
    expect(carriedOut).toHaveLength(1);
    expect(brief(await post(path, { order: "pause" }, key))).toEqual([422, "key_reused"]);
    await post(path, { order: "restart" }, { "idempotency-key": "k2" });
    expect(carriedOut).toHaveLength(2);
  });

  it("that failed is tried again under the same key", async () => {
    await given();
    const key = { "idempotency-key": "k3" };
    const path = ordersOf("worker/late/default");
    expect((await post(path, { order: "retire" }, key)).status).toBe(404);
    rig.beat(["worker/late/default"]);
    await waitFor(async () => (await post(path, { order: "retire" }, key)).status === 200);
  });
});

describe("a silence over the API", () => {
  const active = async (): Promise<{ id: string }[]> => {
    const headers = { authorization: "Bearer read-1" };
    return (await api?.ask("/api/v1/silences", { headers }))?.body.items;
  };

  it("is listed as soon as it is made, and gone once it is lifted", async () => {
    await given();
    const wanted = { pattern: "camera/*", for: "2h", reason: "lenses", by: "ada" };
    const made = await post("/api/v1/silences", wanted);
    expect(made.status).toBe(201);
    const { id, from, until, ...rest } = made.body;
    expect(Date.parse(until) - Date.parse(from)).toBe(2 * 3_600_000);
    expect(rest).toMatchObject({ pattern: "camera/*", reason: "lenses", by: `ada via ${US}` });
    expect((await active()).map((silence) => silence.id)).toContain(id);

    const lifted = await post(`/api/v1/silences/${id}/lift`, { by: "bob" });
    expect(lifted.status).toBe(200);
    expect(lifted.body).toMatchObject({ id, lifted_by: `bob via ${US}` });
    expect((await active()).map((silence) => silence.id)).not.toContain(id);
    const again = await post(`/api/v1/silences/${id}/lift`, {});
    expect(brief(again)).toEqual([409, "conflict"]);
    expect(again.body.detail).toContain("was lifted at");
    expect(brief(await post("/api/v1/silences/none/lift", {}))).toEqual([404, "not_found"]);
  });

  it("may be a window that begins later", async () => {
    await given();
    const window = { from: "2099-01-31T22:00:00.000Z", until: "2099-01-31T23:30:00.000Z" };
    const { status, body } = await post("/api/v1/silences", { pattern: "host:edge-1", ...window });
    expect(status).toBe(201);
    expect(body).toMatchObject(window);
    expect((await active()).map((silence) => silence.id)).toContain(body.id);
  });

  it.each([
    [{ pattern: "camera/*" }, "Say how long"],
    [{ pattern: "camera/*", for: "2h", until: "2099-01-31T23:30:00Z" }, "one of them"],
    [{ pattern: "camera/*", for: "2 hours" }, "no duration"],
    [{ pattern: "camera/*", until: "2001-01-31T23:30:00Z" }, "not after"],
    [
      { pattern: "camera/*", from: "2001-01-01T00:00:00Z", until: "2001-01-02T00:00:00Z" },
      "over already",
    ],
    [{ pattern: "camera/*", until: "2199-01-31T23:30:00Z" }, "366 days at most"],
    [{ pattern: "lens", for: "2h" }, "no pattern of runners"],
    [{ pattern: "host:a b", for: "2h" }, "no pattern of runners"],
  ])("that can't be is refused: %o", async (body, why) => {
    await given();
    const answer = await post("/api/v1/silences", body);
    expect(brief(answer)).toEqual([400, "invalid"]);
    expect(answer.body.detail).toContain(why);
  });
});
