/** The runner that somebody means: its whole name, or the short form where that is unambiguous. */
import { AppError } from "../lib/core/errors.ts";
import { isToken, parseRunnerId } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { ReadApi } from "./read-api.ts";

const MAX_NAMED = 5;

/**
 * `camera/front-door/hd`, or `front-door/hd` where one kind only has it.
 * @param more of the query, such as `at`.
 * @throws AppError `invalid` for what is no name, or the short form of several; `not_found` for the
 *   short form of none.
 */
export async function namedRunner(
  api: ReadApi,
  text: string,
  more: URLSearchParams = new URLSearchParams(),
): Promise<RunnerId> {
  const [name = "", profile = "", ...rest] = text.split("/");
  if (rest.length > 0 || !isToken(name) || !isToken(profile)) return parseRunnerId(text);
  const query = new URLSearchParams({ q: name, retired: "1", limit: "1000", sort: "runner" });
  for (const [key, value] of more) query.append(key, value);
  const page = (await api.get(`/api/v1/runners?${query.toString()}`)) as {
    readonly items: readonly { readonly runner: RunnerId }[];
  };
  const found = page.items.map(({ runner }) => runner).filter((id) => id.endsWith(`/${text}`));
  const [only, ...others] = found;
  if (only === undefined) {
    throw new AppError("not_found", `There is no runner ${text}: runbeat status lists them all`);
  }
  if (others.length === 0) return only;
  const all = found.slice(0, MAX_NAMED).join(", ");
  throw new AppError("invalid", `${text} is short for several runners: write one of ${all}`);
}
