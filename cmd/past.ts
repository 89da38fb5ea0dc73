/** Access to the past for the routes of the API, wherever they run. */
import type { NatsConnection } from "@nats-io/transport-node";
import { thresholdsOf } from "../config/thresholds.ts";
import type { DeclaredRunner } from "../lib/core/read-models.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { KnownTimes } from "../lib/nats/stream-times.ts";
import { PastStates } from "../lib/operator/past-states.ts";
import { locateMoment, openLocated } from "../lib/operator/state-at.ts";
import type { StateAtOptions } from "../lib/operator/state-at.ts";
import { projections } from "../projections/index.ts";
import type { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { openMarks } from "./marks.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** Who asks for a moment waits no longer for NATS. */
const CONNECT_MS = 3_000;

export interface Past {
  readonly states: PastStates;
  /** Replaces the list of the fleet file. */
  declare(runners: readonly DeclaredRunner[]): void;
}

/**
 * Connects when the first moment is asked for: the streams come in on a connection of their own,
 * since answers that others wait for would wait behind them.
 */
export function openPast(context: Context, closers: Closers): Past {
  let declared: readonly DeclaredRunner[] = [];
  const connection = lazyConnection(context);
  const marks = openMarks(context);
  const known = new KnownTimes();
  closers.push("the marks", () => marks?.close());
  const optionsAt = async (at: number): Promise<StateAtOptions> => ({
    nc: await connection.get(),
    prefixes: prefixesOf(context.settings),
    projections,
    thresholds: thresholdsOf(context.settings),
    declared,
    at,
    liveFile: context.paths.databaseFile,
    marks,
    known,
  });
  const states = new PastStates({
    locate: async (at) => await locateMoment(await optionsAt(at)),
    open: async (moment) => await openLocated(await optionsAt(moment.at), moment),
  });
  closers.push("the connection to the past", connection.close);
  closers.push("the states of the past", async () => await states.close());
  return {
    states,
    declare: (runners) => {
      declared = runners;
      states.declare(runners);
    },
  };
}

interface LazyConnection {
  readonly get: () => Promise<NatsConnection>;
  readonly close: () => Promise<void>;
}

/** One that failed is tried again by the next who asks. */
function lazyConnection(context: Context): LazyConnection {
  let connecting: Promise<NatsConnection> | undefined;
  const get = (): Promise<NatsConnection> => {
    const options = natsOptions(context, "runbeat past");
    connecting ??= connectNats({ ...options, timeoutMs: CONNECT_MS }).catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  };
  const close = async (): Promise<void> => {
    const nc = await connecting?.catch(() => undefined);
    await nc?.close();
  };
  return { get, close };
}
