/** The read API for commands that only look: over HTTP, or on the database where none answers. */
import { AppError, messageOf } from "../lib/core/errors.ts";
import { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { apiUrl, httpApi, isUnreachable } from "./read-api.ts";
import type { ReadApi } from "./read-api.ts";

/**
 * Asks the API; where none answers and none was named, the database is read, and that is said.
 * @param url of another installation's API.
 * @throws AppError `unavailable` where there is neither.
 */
export async function withSomeApi<T>(
  context: Context,
  url: string | undefined,
  work: (api: ReadApi) => Promise<T>,
): Promise<T> {
  const api = httpApi(url ?? apiUrl(context), context.settings.http.readKey);
  try {
    return await work(api);
  } catch (error) {
    if (url !== undefined || !isUnreachable(error)) throw error;
    return await offline(context, messageOf(error), work);
  }
}

async function offline<T>(
  context: Context,
  why: string,
  work: (api: ReadApi) => Promise<T>,
): Promise<T> {
  // Loaded only here: it is most of Runbeat.
  const { openOfflineApi } = await import("./offline-api.ts");
  const closers = new Closers();
  try {
    const api = await openOfflineApi(context, closers).catch((error: unknown) => {
      throw new AppError(
        "unavailable",
        `${why}, and ${messageOf(error)}: start Runbeat with runbeat up, or name another API with --url`,
        { cause: error },
      );
    });
    context.say(`${why}: reading ${api.place} instead.`);
    return await work(api);
  } finally {
    await closers.closeAll(context.log);
  }
}
