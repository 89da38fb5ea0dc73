import { messageOf } from "../lib/core/errors.ts";
import type { Logger } from "./log.ts";

/** What was opened, to be closed last first, whatever of it fails to close. */
export class Closers {
  private readonly stack: { name: string; close: () => unknown }[] = [];

  /** @param name for the log. */
  push(name: string, close: () => unknown): void {
    this.stack.push({ name, close });
  }

  async closeAll(log: Logger): Promise<void> {
    for (let next = this.stack.pop(); next !== undefined; next = this.stack.pop()) {
      log.debug(`closing: ${next.name}`);
      try {
        await next.close();
      } catch (error) {
        log.error({ err: error }, `${next.name} could not be closed: ${messageOf(error)}`);
      }
    }
  }
}
