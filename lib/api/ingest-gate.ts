/** What every ingest route does first: who is it, is it too much, what does it say. */
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import type { Api } from "./api.ts";
import type { IngestGrant } from "./keys.ts";
import { problem } from "./problem.ts";
import { readJson } from "./request-body.ts";

export interface Admitted {
  readonly grant: IngestGrant;
  readonly body: unknown;
  /** Takes more of the client's share; the answer where there is not enough of it. */
  readonly takeMore: (heartbeats: number) => Response | undefined;
}

export type Admission =
  ({ readonly ok: true } & Admitted) | { readonly ok: false; readonly answer: Response };

export interface GateOptions {
  readonly maxBytes: number;
  /** The answer to no key at all: the camera route never had another than 403. */
  readonly withoutKey: "unauthorized" | "forbidden";
}

/** Lets a request in: key first, then its share, then its body. */
export async function admit(api: Api, c: Context, options: GateOptions): Promise<Admission> {
  const checked = api.keys.checkIngest(c);
  const client = `${addressOf(c)} ${checked.ok ? checked.grant.id : "nobody"}`;
  const take = (count: number): Response | undefined => takeShare(api, c, client, count);
  const refusal = take(1);
  if (!checked.ok) {
    const code = checked.isMissing ? options.withoutKey : "forbidden";
    return { ok: false, answer: refusal ?? refuseKey(c, code, checked.isMissing) };
  }
  if (refusal !== undefined) return { ok: false, answer: refusal };
  const body = await readJson(c, options.maxBytes);
  if (!body.ok) {
    api.ingest.count("invalid");
    return body;
  }
  return { ok: true, grant: checked.grant, body: body.value, takeMore: take };
}

function takeShare(api: Api, c: Context, client: string, count: number): Response | undefined {
  const retrySec = api.ingestLimits.take(client, count);
  if (retrySec === 0) return undefined;
  api.ingest.count("rate_limited", count);
  const detail = `This is more than one client may post: try again in ${retrySec} s`;
  return problem(c, "rate_limited", detail, { "retry-after": String(retrySec) });
}

function refuseKey(c: Context, code: "unauthorized" | "forbidden", isMissing: boolean): Response {
  const detail = isMissing
    ? "Heartbeats need a key: send it as X-BISK-KEY or as Authorization: Bearer KEY"
    : "This is not a key for heartbeats (RUNNER_HEARTBEAT_KEY)";
  const headers = code === "unauthorized" ? { "www-authenticate": 'Bearer realm="runbeat"' } : {};
  return problem(c, code, detail, headers);
}

/** Of the socket; there is none where a test calls the application directly. */
function addressOf(c: Context): string {
  const env = c.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  return env?.incoming?.socket?.remoteAddress ?? "here";
}

/** Stores a heartbeat and counts what became of it. @throws AppError `unavailable`. */
export async function store(
  api: Api,
  runner: Parameters<Api["streams"]["publishHeartbeat"]>[0],
  data: Uint8Array,
): Promise<number> {
  try {
    const seq = await api.streams.publishHeartbeat(runner, data);
    api.ingest.count("stored");
    return seq;
  } catch (error) {
    if (error instanceof AppError) api.ingest.count("unavailable");
    throw error;
  }
}
