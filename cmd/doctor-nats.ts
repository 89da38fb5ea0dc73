/** What `runbeat doctor` looks at on the NATS server: reachable, able, right streams, right clock. */
import type { NatsConnection } from "@nats-io/transport-node";
import { connectNats } from "../lib/nats/connect.ts";
import { ASYNC_PERSIST_VERSION, isAtLeast, openJetStream } from "../lib/nats/jetstream.ts";
import { inspectStreams } from "../lib/nats/stream-inspection.ts";
import { bytesText } from "../lib/core/amount.ts";
import type { Context } from "./context.ts";
import { fail, failed, ok, warn } from "./doctor-check.ts";
import type { Check } from "./doctor-check.ts";
import { natsOptions, natsUrl } from "./nats-options.ts";
import { streamOptions } from "./stream-options.ts";
import { readUpRecord } from "./up-record.ts";

const TIMEOUT_MS = 3_000;
/** Beyond this, times that runners and people write down do not fit the streams' times. */
const SKEW_WARN_MS = 2_000;

export async function checkNats(context: Context): Promise<Check[]> {
  let nc: NatsConnection;
  try {
    const options = natsOptions(context, "runbeat doctor");
    nc = await connectNats({ ...options, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    return [unreachable(context, error)];
  }
  try {
    return await checkServer(context, nc);
  } catch (error) {
    return [failed("NATS", error)];
  } finally {
    await nc.close();
  }
}

/** The embedded server is down for as long as nobody has started it. */
function unreachable(context: Context, error: unknown): Check {
  const isOwn = context.settings.nats.url === null && readUpRecord(context.paths) === undefined;
  if (!isOwn) return failed("NATS", error);
  return warn("NATS", `nothing at ${natsUrl(context)} yet`, "start it: runbeat up");
}

async function checkServer(context: Context, nc: NatsConnection): Promise<Check[]> {
  const version = nc.info?.version ?? "0";
  const rttMs = await nc.rtt();
  const reached = ok("NATS", `server ${version} at ${nc.getServer()}, ${rttMs} ms away`);
  const jetStream = await checkJetStream(nc);
  if (jetStream.level === "fail") return [reached, jetStream];
  return [reached, jetStream, checkPersistence(version), ...(await checkStreams(context, nc))];
}

async function checkJetStream(nc: NatsConnection): Promise<Check> {
  try {
    const account = await (await openJetStream(nc)).getAccountInfo();
    const limit = account.limits.max_storage;
    const room = limit > 0 ? ` of ${bytesText(limit)}` : "";
    return ok("JetStream", `${bytesText(account.storage)}${room} in ${account.streams} streams`);
  } catch (error) {
    return failed("JetStream", error);
  }
}

function checkPersistence(version: string): Check {
  const name = "fast persistence";
  if (isAtLeast(version, ASYNC_PERSIST_VERSION)) return ok(name, "asynchronous for heartbeats");
  return warn(
    name,
    `server ${version} has none: heartbeats are as slow as events where every write is synced`,
    `upgrade to ${ASYNC_PERSIST_VERSION} or newer for more than some thousand heartbeats a second`,
  );
}

async function checkStreams(context: Context, nc: NatsConnection): Promise<Check[]> {
  const found = await inspectStreams(nc, streamOptions(context.settings));
  return [streamsCheck(found), ...clockCheck(found.clockSkewMs)];
}

function streamsCheck(found: Awaited<ReturnType<typeof inspectStreams>>): Check {
  const { missing, differences, conflicts } = found;
  if (conflicts.length > 0) {
    return fail("streams", conflicts.join("; "), "delete these streams, or set nats.stream_prefix");
  }
  if (missing.length > 0) {
    return warn("streams", `missing: ${missing.join(", ")}`, "start runbeat up or projector once");
  }
  if (differences.length > 0) {
    return warn("streams", differences.join("; "), "the next start of the projector applies this");
  }
  return ok("streams", "all there, as declared");
}

function clockCheck(skewMs: number | null): Check[] {
  if (skewMs === null) return [];
  const found = `${Math.abs(Math.round(skewMs))} ms ${skewMs < 0 ? "ahead of" : "behind"} the server's`;
  if (Math.abs(skewMs) <= SKEW_WARN_MS) return [ok("clock", found)];
  return [
    warn("clock", found, "statuses stay right, but set this machine's clock: use NTP or chrony"),
  ];
}
