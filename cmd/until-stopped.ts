/** What ends a long-running command. */
const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Resolves, with the reason, when somebody wants this process to end: a signal, or its parent's death.
 * @param signals those that do; a command for which SIGHUP means something else leaves it out.
 */
export async function untilStopped(signals = SIGNALS): Promise<string> {
  return await new Promise((resolve) => {
    const stop = (reason: string): void => {
      for (const signal of signals) process.removeListener(signal, onSignal);
      process.removeListener("disconnect", onOrphaned);
      resolve(reason);
    };
    const onSignal = (signal: string): void => stop(signal);
    const onOrphaned = (): void => stop("the process that started it is gone");
    for (const signal of signals) process.on(signal, onSignal);
    // Only where a parent holds a channel to it, as `runbeat up` does.
    process.on("disconnect", onOrphaned);
  });
}
