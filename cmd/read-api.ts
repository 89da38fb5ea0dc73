/** Asks the read API, wherever it is. */
import { get } from "node:http";
import { text } from "node:stream/consumers";
import type { Settings } from "../config/settings.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { Context } from "./context.ts";
import { readUpRecord } from "./up-record.ts";

const TIMEOUT_MS = 10_000;

/** Answers paths such as `/api/v1/runners?limit=1000`. */
export interface ReadApi {
  /** For people: where the answers come from. */
  readonly place: string;
  /** @throws AppError `unavailable` when nothing answers, `forbidden` without a good key. */
  get(path: string): Promise<unknown>;
}

/** What a client asks: an address that is bound to "every interface" is reached on loopback. */
export function apiUrl({ settings, origins, paths }: Context): string {
  const isOpen = origins.get("http.port")?.source === "default" || settings.http.port === 0;
  return (isOpen ? readUpRecord(paths)?.apiUrl : undefined) ?? configuredUrl(settings);
}

export function configuredUrl({ http }: Settings): string {
  const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = everywhere[http.host] ?? http.host;
  return `http://${host.includes(":") ? `[${host}]` : host}:${http.port}`;
}

/** Over HTTP. @param url its address without a path. */
export function httpApi(url: string, readKey: string | null): ReadApi {
  const headers = readKey === null ? {} : { authorization: `Bearer ${readKey}` };
  return {
    place: url,
    get: async (path) => await answerOf(url, await ask(url, path, headers)),
  };
}

/** What matters here of an answer; `fetch`'s are such. */
export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  json(): Promise<unknown>;
}

const THIS_MACHINE = new Set(["127.0.0.1", "localhost", "[::1]"]);

async function ask(url: string, path: string, headers: Record<string, string>): Promise<Answer> {
  const target = new URL(path, url);
  const options = { headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const isNear = target.protocol === "http:" && THIS_MACHINE.has(target.hostname);
  try {
    return isNear ? await askHere(target, options) : await fetch(target, options);
  } catch (error) {
    throw new AppError("unavailable", `Nothing answers at ${url} (${reasonOf(error)})`, {
      cause: error,
    });
  }
}

/** Nothing to compress or to follow on this machine, and loading `fetch` takes longer than asking. */
async function askHere(
  target: URL,
  options: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = get(target, options, (response) => {
      const { statusCode: status = 0, headers } = response;
      const answer = (body: string): void =>
        resolve({
          ok: status >= 200 && status < 300,
          status,
          headers: { get: (name) => String(headers[name] ?? "") },
          json: async () => JSON.parse(body) as unknown,
        });
      text(response).then(answer, reject);
    });
    request.once("error", reject);
  });
}

/** Whether the failure was that nothing answered. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof AppError && error.code === "unavailable" && error.cause !== undefined;
}

/** `fetch` hides why a connection failed in the cause. */
function reasonOf(error: unknown): string {
  const { cause, code, name } = error as {
    cause?: { code?: string };
    code?: unknown;
    name?: string;
  };
  if (name === "AbortError" || name === "TimeoutError")
    return `no answer in ${TIMEOUT_MS / 1000} s`;
  return cause?.code ?? (typeof code === "string" ? code : messageOf(error));
}

/** @param place for messages. @throws AppError for every answer but a good one. */
export async function answerOf(place: string, response: Answer): Promise<unknown> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.includes("json")) {
    throw new AppError(
      "unavailable",
      `What answers at ${place} is not Runbeat's API (${response.status}): give its address with --url`,
    );
  }
  const body = await response.json();
  // The health page answers 503 with the very thing one asks it for.
  if (response.ok || type.includes("health+json")) return body;
  throw refusal(place, response.status, body as { detail?: string; title?: string });
}

function refusal(
  place: string,
  status: number,
  problem: { detail?: string; title?: string },
): AppError {
  const detail = problem.detail ?? problem.title ?? "";
  if (status === 401 || status === 403) {
    return new AppError(
      "forbidden",
      `The API at ${place} needs a read key: set RUNBEAT_READ_KEY (${detail})`,
    );
  }
  return new AppError(status === 400 ? "invalid" : "unavailable", `The API says: ${detail}`);
}
