/** The runner's end of the channel to the enforcer that started it. */
import { AppError } from "../core/errors.ts";
import type { Report, RunOrder } from "../core/supervision.ts";

export interface SupervisorLink {
  /** What to run. */
  readonly order: Promise<RunOrder>;
  /** Lost where the enforcer is gone; it would have nobody to tell. */
  report(report: Report): void;
}

/** @throws AppError `invalid` where nobody holds the other end. */
export function openSupervisorLink(): SupervisorLink {
  if (process.send === undefined || !process.connected) {
    throw new AppError("invalid", "--supervised is for runners that the enforcer starts: omit it");
  }
  const order = new Promise<RunOrder>((resolve) => {
    process.once("message", (message) => resolve(message as RunOrder));
  });
  return {
    order,
    report(report) {
      if (process.connected) process.send?.(report);
    },
  };
}
