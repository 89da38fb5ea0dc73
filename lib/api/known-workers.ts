import { AppError } from "../core/errors.ts";
import { runnerId, runnerParts } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Api } from "./api.ts";

/** Workers remembered as known; beyond them the stream is asked again. */
const MAX_REMEMBERED = 10_000;

/**
 * Which workers may beat: those declared in the fleet file and those that were registered. A
 * registration counts as soon as the stream has it, folded or not.
 */
export class KnownWorkers {
  private readonly api: Pick<Api, "models" | "streams">;
  private readonly remembered = new Set<RunnerId>();

  constructor(api: Pick<Api, "models" | "streams">) {
    this.api = api;
  }

  /** @throws AppError `unavailable` where only the stream could tell and NATS is out of reach. */
  async has(runner: RunnerId): Promise<boolean> {
    const registered = runnerId({ ...runnerParts(runner), profile: "default" });
    const { models, streams } = this.api;
    if (models.isDeclared(runner) || models.isDeclared(registered)) return true;
    if (this.remembered.has(registered)) return true;
    const isKnown =
      isFolded(models, registered) || (await streams.hasEvent(registered, "worker_registered"));
    if (isKnown) this.add(registered);
    return isKnown;
  }

  add(runner: RunnerId): void {
    const [oldest] = this.remembered;
    if (this.remembered.size >= MAX_REMEMBERED && oldest !== undefined) {
      this.remembered.delete(oldest);
    }
    this.remembered.add(runner);
  }
}

/** Without read models the stream itself is asked. */
function isFolded(models: Api["models"], runner: RunnerId): boolean {
  try {
    return models.isRegistered(runner);
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}
