import { createHmac } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { STOPPED_BY_OPERATOR } from "../../lib/core/decide-orders.ts";
import { silenceBody } from "../../lib/core/alert.ts";
import type { Sink } from "../../lib/sentinel/notice.ts";
import { openSink } from "../../lib/sentinel/sinks.ts";
import type { SinkSettings } from "../../lib/sentinel/sinks.ts";
import { emptyServer, readAll } from "../projector/emitter-rig.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { mailReceiver, webhookReceiver } from "./receivers.ts";
import type { MailReceiver, WebhookReceiver } from "./receivers.ts";
import { sentinelRig } from "./sentinel-rig.ts";
import type { SentinelRig } from "./sentinel-rig.ts";

const server = await startNatsServer();
const HERE = Array.from({ length: 6 }, (_, index) => `process/here${index}/default`);
const THERE = Array.from({ length: 5 }, (_, index) => `camera/there${index}/hd`);
const T0 = Date.now();
const FALLS = [
  [0, "unknown", "online"],
  [0, "online", "stale"],
  [0, "stale", "online"],
  [0, "online", "stale"],
  [0, "stale", "online"],
  [0, "online", "missing"],
  [1, "unknown", "online"],
  [1, "online", "stale"],
  [1, "stale", "online"],
  [1, "online", "stale"],
  // That nobody could tell is no fall of its own.
  [1, "online", "unknown"],
] as const;
const SECRET = "a-secret-of-the-test";

interface Told {
  readonly headline: string;
  readonly alerts: readonly { type: string; action: string; members: { name: string }[] }[];
}

describe("alerts", { timeout: 60_000 }, () => {
  let rig: SentinelRig;
  let hook: WebhookReceiver;
  let mail: MailReceiver;
  let sinks: Sink[];

  beforeEach(async () => {
    const nc = await connect({ servers: server.url });
    await emptyServer(nc);
    await nc.close();
    rig = await sentinelRig(server);
    hook = await webhookReceiver();
    mail = await mailReceiver();
    const common = { min_severity: "warning" } as const;
    const settings: SinkSettings[] = [
      { ...common, name: "hook", type: "webhook", url: hook.url, secret: SECRET },
      {
        ...common,
        name: "mail",
        type: "email",
        host: "127.0.0.1",
        port: mail.port,
        secure: false,
        from: "runbeat@example.org",
        to: ["ops@example.org"],
      },
    ];
    sinks = settings.map((sink) => openSink(sink, { log: makeLog().log, by: "sentinel@test" }));
  });

  afterEach(async () => {
    await rig.close();
    await hook.close();
    await mail.close();
  });

  const told = (): Told[] => hook.taken.map(({ body }) => JSON.parse(body) as Told);
  const brief = () =>
    told().flatMap(({ alerts }) =>
      alerts.map(({ type, action, members }) => `${action} ${type} ${members.length}`),
    );

  /** Two hosts beat; the one that is there can be silenced. */
  async function beating(): Promise<{ stop(): void }> {
    rig.keepBeating(() => HERE);
    const there = rig.keepBeating(() => THERE, { host: "edge-2" });
    await rig.untilTold([...HERE, ...THERE], "online");
    return there;
  }

  it("are one for a host that falls silent, told once to each sink, signed, and once when it is back", async () => {
    await rig.sentinel({ sinks });
    const there = await beating();
    there.stop();
    await waitFor(() => hook.taken.length > 0 && mail.mails.length > 0, { what: "it is told" });
    rig.keepBeating(() => THERE, { host: "edge-2" });
    await waitFor(() => hook.taken.length > 1 && mail.mails.length > 1, {
      what: "its end is told",
    });
    expect(brief()).toEqual(["raised host_down 5", "resolved host_down 5"]);
    expect(mail.mails).toHaveLength(2);
    expect(mail.mails[0]).toContain("Subject: [CRITICAL] Host edge-2 is down");
    expect(mail.mails[0]).toContain("camera/there4/hd: no heartbeat");
    const [post] = hook.taken;
    const [, time, digest] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(post?.headers["runbeat-signature"])) ?? [];
    const signed = createHmac("sha256", SECRET).update(`${time}.${post?.body}`).digest("hex");
    expect(digest).toBe(signed);
    expect(post?.headers["idempotency-key"]).toMatch(/^host_down-.+-1$/);
  });

  it("are stored but told to nobody while a silence covers them", async () => {
    const now = rig.monitor.moment().now;
    const silence = { id: "s1", pattern: "camera/*", from: now, until: now + 600_000 };
    const body = silenceBody({ ...silence, reason: "works", by: "ada" }, now);
    await jetstream(rig.nc).publish("runbeat.alert.info.silence_set", JSON.stringify(body));
    await rig.sentinel({ sinks });
    const there = await beating();
    there.stop();
    const [alert] = await waitFor(
      () => {
        const wanted = { states: [], types: [], severities: [], from: undefined, to: undefined };
        const { items } = rig.models.alerts({ ...wanted, limit: 10, after: undefined });
        return items.length > 0 && items;
      },
      { what: "it is in the read model" },
    );
    expect(alert).toMatchObject({ type: "host_down", state: "open", silenced: true });
    const again = rig.keepBeating(() => THERE, { host: "edge-2" });
    await waitFor(
      async () => {
        const messages = await readAll(rig.nc, "RUNBEAT_ALERTS");
        return messages.some(({ data }) => Buffer.from(data).includes('"resolved"'));
      },
      { what: "it is over" },
    );
    again.stop();
    expect(hook.taken).toEqual([]);
  });

  it("are about whoever crashed, and not about whoever was stopped by an order", async () => {
    await rig.sentinel({ sinks });
    const [crashed = "", stopped = "", failing = ""] = HERE;
    const process = (pid: number) => ({ host: "edge-1", pid, started_at: T0 });
    const end = { exit_code: 1, signal: null, ran_sec: 1, stderr: [] };
    for (const [index, runner] of [crashed, stopped, failing].entries()) {
      const spawn = { ...process(index + 1), argv: [], env: {}, attempt: 0 };
      await rig.tell(runner, "process_spawned", spawn);
    }
    // One is stopped while it runs, one when it has failed already, and is reset afterwards.
    await rig.tell(stopped, "restart_reset", { reason: `${STOPPED_BY_OPERATOR}: lens cleaning` });
    await rig.tell(stopped, "process_exited", { ...process(2), ...end });
    await rig.tell(failing, "process_exited", { ...process(3), ...end });
    await rig.tell(failing, "restart_reset", { reason: STOPPED_BY_OPERATOR });
    await rig.tell(failing, "restart_reset", {});
    await rig.tell(crashed, "process_exited", { ...process(1), ...end });
    await waitFor(() => brief().length > 0, { what: "it is told" });
    expect(told().map(({ headline }) => headline)).toEqual([
      "[CRITICAL] process/here0/default on edge-1 is offline: the process ended",
    ]);
    // Started again, it is somebody whose end is told.
    const spawn = { ...process(4), argv: [], env: {}, attempt: 0 };
    await rig.tell(stopped, "process_spawned", spawn);
    await rig.tell(stopped, "process_exited", { ...process(4), ...end });
    await waitFor(() => brief().length > 1, { what: "its crash is told" });
    const members = told()[1]?.alerts[0]?.members.map(({ name }) => name);
    expect(members?.toSorted()).toEqual([crashed, stopped]);
  });

  it("are about whoever comes and goes, also where another sentinel saw it before", async () => {
    const [restless = "", calm = ""] = HERE;
    const names = [restless, calm];
    const beating = rig.keepBeating(() => names);
    // What the one before told of them: three falls of one, two of the other.
    for (const [index, from, to] of FALLS) {
      await rig.tell(names[index] ?? "", "status_changed", { from, to, cause: "silence" });
    }
    await waitFor(() => rig.models.eventsAfter(0, 20).length === FALLS.length, {
      what: "they are folded",
    });
    await rig.sentinel({ sinks });
    await rig.untilTold(names, "online");
    beating.stop();
    await rig.untilTold(names, "stale");
    const again = rig.keepBeating(() => names);
    await waitFor(() => told().length > 0, { what: "it is told" });
    again.stop();
    const flapping = told().flatMap(({ alerts }) =>
      alerts.filter(({ type }) => type === "runner_flapping"),
    );
    expect(flapping.map(({ members }) => members.map(({ name }) => name))).toEqual([[restless]]);
  });
});
