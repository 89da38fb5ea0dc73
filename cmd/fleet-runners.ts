/** The enforcer as `runbeat up` and `runbeat enforcer` run it: the fleet's runners on this host. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { NatsConnection } from "@nats-io/transport-node";
import type { EventAction } from "../lib/core/decide-action.ts";
import { messageOf } from "../lib/core/errors.ts";
import type { Fleet } from "../lib/core/fleet.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { BeatBook } from "../lib/enforcer/beat-book.ts";
import { startEnforcer } from "../lib/enforcer/enforcer.ts";
import type { Enforcer } from "../lib/enforcer/enforcer.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { createEventPublisher } from "../lib/nats/event-publisher.ts";
import { hostProcesses } from "../lib/runner/host-processes.ts";
import { startBeatReader } from "./beat-reader.ts";
import type { BeatReader } from "./beat-reader.ts";
import { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { startEnforcerBeats } from "./enforcer-beats.ts";
import { openDrivers } from "./enforcer-drivers.ts";
import type { OwnCommands } from "./enforcer-drivers.ts";
import { decideSettings, enforcerRunner, memoryFile, openBeatBook } from "./enforcer-options.ts";
import { followFleetFile } from "./fleet-watch.ts";
import { withCameraHost } from "./hosted-cameras.ts";
import { natsOptions } from "./nats-options.ts";
import { openOrderDesk } from "./order-desk.ts";
import type { OrderDesk } from "./order-desk.ts";
import { fetchFfmpeg } from "./programs.ts";
import { prefixesOf } from "./stream-options.ts";

export interface FleetRunnersOptions extends OwnCommands {
  readonly fleet: Fleet;
  /** As the file was when the fleet was read from it; from there on it is followed. */
  readonly fleetVersion: string;
  readonly signal: AbortSignal;
}

export interface FleetRunners {
  readonly enforcer: Enforcer;
  /** Ends every runner, then waits up to 2 s for the last events to be stored. */
  stop(): Promise<void>;
}

/**
 * Starts the fleet, and goes on with what an earlier enforcer has left. NATS need not be there:
 * runners run without it, and what there is to tell waits. The caller holds the enforcer's lock.
 */
export async function startFleetRunners(
  context: Context,
  options: FleetRunnersOptions,
): Promise<FleetRunners> {
  const closers = new Closers();
  try {
    return await start(context, options, closers);
  } catch (error) {
    await closers.closeAll(context.log);
    throw error;
  }
}

async function start(
  context: Context,
  options: FleetRunnersOptions,
  closers: Closers,
): Promise<FleetRunners> {
  const { log } = context;
  const pipeline = openPipeline(context, options, closers);
  const ffmpeg = await findFfmpeg(context, options);
  const book = openBeatBook(context);
  let fleet = withCameraHost(options.fleet);
  const enforcer = await startEnforcer({
    fleet,
    settings: decideSettings(context.settings),
    host: hostname(),
    bootId: hostProcesses.bootId(),
    openDrivers: (hooks) =>
      openDrivers(context, { own: options, ffmpeg, hooks, fleet: () => fleet }),
    book,
    memoryFile: memoryFile(context),
    newId: randomUUID,
    publish: pipeline.publish,
    log,
  });
  closers.push("the runners", async () => await enforcer.stop());
  closers.push("the heartbeats of the enforcer", startEnforcerBeats(context, enforcer, pipeline));
  const attached = attach(context, { nc: pipeline.connected, book, enforcer, fleet: () => fleet });
  closers.push("orders and heartbeats", async () => await attached.close());
  const unfollow = followFleetFile(context, options.fleetVersion, (changed) => {
    fleet = withCameraHost(changed);
    log.info({ runners: fleet.runners.size }, "the fleet file has changed");
    enforcer.setFleet(fleet);
    attached.follow();
  });
  closers.push("the fleet file", unfollow);
  return { enforcer, stop: async () => await closers.closeAll(log) };
}

export interface EnforcerPipeline {
  /** Rejects only when we end before NATS was there. */
  readonly connected: Promise<NatsConnection>;
  readonly publish: (event: EventAction, atMs: number) => Promise<void>;
}

/** Connects in the background. */
function openPipeline(
  context: Context,
  { natsUrl, signal }: FleetRunnersOptions,
  closers: Closers,
): EnforcerPipeline {
  const ending = new AbortController();
  const connected = connectNats({
    ...natsOptions(context, "runbeat enforcer"),
    url: natsUrl,
    waitOnFirstConnect: true,
    signal: AbortSignal.any([signal, ending.signal]),
  });
  const by = `enforcer@${hostname()}`;
  const prefixes = prefixesOf(context.settings);
  const opening = connected.then((nc) => ({
    nc,
    publisher: createEventPublisher(nc, { prefixes, by, log: context.log }),
  }));
  opening.catch((error: unknown) => {
    if (!ending.signal.aborted && !signal.aborted) context.log.error(messageOf(error));
  });
  closers.push("NATS", async () => {
    ending.abort();
    const opened = await opening.catch(() => undefined);
    await opened?.publisher.close();
    await opened?.nc.close();
  });
  return {
    connected,
    publish: async ({ runner, type, data, msgId }, atMs) => {
      const { publisher } = await opening;
      await publisher.publish(runner, type, data, { msgId, atMs });
    },
  };
}

interface Attachment {
  readonly nc: Promise<NatsConnection>;
  readonly book: BeatBook;
  readonly enforcer: Enforcer;
  readonly fleet: () => Fleet;
}

/** What needs NATS: reading heartbeats and taking orders, once it is there. */
function attach(context: Context, { nc, book, enforcer, fleet }: Attachment) {
  const prefixes = prefixesOf(context.settings);
  const read = (): RunnerId[] => [...fleet().runners.keys(), enforcerRunner()];
  let reader: BeatReader | undefined;
  let desk: OrderDesk | undefined;
  let isClosed = false;
  nc.then((connection) => {
    if (isClosed) return;
    reader = startBeatReader({ nc: connection, prefixes, book, runners: read(), log: context.log });
    const by = `enforcer@${hostname()}`;
    desk = openOrderDesk(connection, prefixes, by, (runner, order) =>
      enforcer.order(runner, order),
    );
    desk.serve(fleet().runners.keys());
  }).catch(() => {});
  return {
    follow: () => {
      reader?.follow(read());
      desk?.serve(fleet().runners.keys());
    },
    close: async () => {
      isClosed = true;
      desk?.close();
      await reader?.close();
    },
  };
}

/**
 * Found once for all cameras, so that it is not fetched by each of them. Where there is none they
 * say so themselves, each in its own time line.
 */
async function findFfmpeg(
  context: Context,
  { fleet, signal }: FleetRunnersOptions,
): Promise<string | undefined> {
  const hasCamera = [...fleet.runners.values()].some(({ driver }) => driver.kind === "camera");
  if (!hasCamera) return undefined;
  const { settings, environment: env, log } = context;
  try {
    const fetch = async () => await fetchFfmpeg(context, signal);
    const { path, version } = await locateFfmpeg({ bin: settings.ffmpeg.bin, env, fetch });
    log.info({ ffmpeg: path, version }, "FFmpeg for the cameras");
    return path;
  } catch (error) {
    log.error(messageOf(error));
    return undefined;
  }
}
