/** Routes that read: each answers for now, and with `at` for any moment before. */
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import type { Api } from "./api.ts";
import { instantParameter } from "./parameters.ts";
import type { Parameters, Values } from "./parameters.ts";
import type { PastState } from "./past-access.ts";
import type { PipelineMonitor } from "./pipeline-monitor.ts";
import type { RouteSpec } from "./route.ts";
import type { StreamAccess } from "./stream-access.ts";

const AT = {
  at: instantParameter(
    "Answers as it was at this time, on the NATS server's clock: RFC 3339, or epoch milliseconds",
  ),
};

/** `api` is what the route is to read: the present, or the moment that was asked for. */
export type ReadHandler<Query extends Parameters> = (
  api: Api,
  c: Context,
  query: Values<Query>,
) => Response | Promise<Response>;

/** Lays a route that reads, guarded by the read key; adds `at` to its query. */
export function addReadRoute<Query extends Parameters>(
  api: Api,
  spec: Omit<RouteSpec<Query>, "method" | "guard">,
  handler: ReadHandler<Query>,
): void {
  const query = { ...AT, ...spec.query };
  const problems = [...new Set([...spec.problems, "invalid", "not_found", "unavailable"] as const)];
  api.router.add<Query & typeof AT>(
    { ...spec, method: "get", guard: "read", query, problems },
    async (c, values) => {
      const { at } = values as Values<typeof AT>;
      if (at === undefined) return await handler(api, c, values);
      return await api.past.use(
        at,
        async (state) => await handler(asOfThen(api, state), c, values),
      );
    },
  );
}

function asOfThen(api: Api, state: PastState): Api {
  return {
    ...api,
    models: state.models,
    monitor: monitorOf(state),
    streams: streamsUntil(api.streams, state.heartbeatSeq),
    rules: rulesThen(api.rules),
  };
}

/** What an enforcer remembers now says nothing of then; its events do. */
function rulesThen(rules: Api["rules"]): Api["rules"] {
  if (rules === undefined) return undefined;
  return {
    current: () => ({ ...rules.current(), memory: undefined }),
    enforcerOf: (host) => rules.enforcerOf(host),
  };
}

/** An up-to-date Runbeat saw everything and had folded it. */
function monitorOf({ moment, streams }: PastState): PipelineMonitor {
  return {
    moment: () => moment,
    lagMs: () => 0,
    streams: () => streams,
    // Whoever asks for a moment knows that it is past.
    standsAt: () => undefined,
    trouble: () => undefined,
    hasCaughtUp: () => true,
    close: () => undefined,
  };
}

async function refuse(): Promise<never> {
  throw new AppError("internal", "nothing is stored in the past");
}

function streamsUntil(streams: StreamAccess, seq: number): StreamAccess {
  return {
    isConnected: () => streams.isConnected(),
    askServer: async () => await streams.askServer(),
    heartbeats: async (query) =>
      await streams.heartbeats({ ...query, before: Math.min(query.before ?? Infinity, seq + 1) }),
    publishHeartbeat: refuse,
    publishEvent: refuse,
    hasEvent: async (runner, type) => await streams.hasEvent(runner, type),
    sentinelReport: async () => await streams.sentinelReport(),
  };
}

/** Where nobody gave access to the past. */
export const NO_PAST: Api["past"] = {
  use: async () => {
    throw new AppError("unavailable", "This API answers for now only: leave at away");
  },
};
