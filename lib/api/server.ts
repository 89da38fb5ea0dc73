import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { AppError, messageOf } from "../core/errors.ts";

/** Requests under way may finish within this time. */
const DRAIN_MS = 5_000;
const IDLE_CHECK_MS = 50;
/** A request whose head or body takes longer is not one of a runner's. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 30_000;
/** Longer than proxies keep theirs: then it is they who close, and no request is lost. */
const KEEP_ALIVE_MS = 65_000;

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

export interface RunningServer {
  /** Where it can be asked. */
  readonly url: string;
  /** Takes no more requests and waits for those under way, up to 5 s. */
  close(): Promise<void>;
}

/** @throws AppError `unavailable` when the port is taken or may not be used. */
export async function serveApi(app: Hono, options: ListenOptions): Promise<RunningServer> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await listen(server, options);
  return { url: urlOf(server, options.host), close: async () => await close(server) };
}

async function listen(server: Server, { host, port }: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenFailure(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): AppError {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} is taken by another program: stop it, or choose another with RUNBEAT_HTTP_PORT`,
    EACCES: `port ${port} may not be used without more rights: choose one above 1023`,
    EADDRNOTAVAIL: `this machine has no address ${host}: set RUNBEAT_HTTP_HOST to one that it has`,
    ENOTFOUND: `there is no host ${host}: set RUNBEAT_HTTP_HOST to an address of this machine`,
  };
  const reason = why[error.code ?? ""] ?? messageOf(error);
  return new AppError("unavailable", `The API can't listen on ${host}: ${reason}`, {
    cause: error,
  });
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection whose request has ended stays open for the next one: there is none any more.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
