/** Checks, before anything is started, that the API can listen where it should. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Settings } from "../config/settings.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";

/**
 * The port that the API will have: the configured one if it is free, a free one for 0.
 * @throws AppError `conflict` when another program has it, `unavailable` when the address is not
 *   this machine's.
 */
export async function reservePort({ http }: Settings): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: http.host, port: http.port }, resolve);
    });
    return (server.address() as AddressInfo).port;
  } catch (error) {
    throw refusal(http, error as NodeJS.ErrnoException);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function refusal({ host, port }: Settings["http"], error: NodeJS.ErrnoException): AppError {
  if (error.code === "EADDRINUSE") {
    return new AppError(
      "conflict",
      `Port ${port} of ${host}, which the API should have, is taken by another program: end it, ` +
        "or choose another with RUNBEAT_HTTP_PORT",
      { cause: error },
    );
  }
  return new AppError(
    "unavailable",
    `The API can't listen on ${host}:${port} (${messageOf(error)}): set RUNBEAT_HTTP_HOST and RUNBEAT_HTTP_PORT`,
    { cause: error },
  );
}
