/** What ends a long-running command. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves, with the reason, when somebody wants this process to end: a signal, or its parent's death. */
export async function untilStopped(): Promise<string> {
  return await new Promise((resolve) => {
    const stop = (reason: string): void => {
      for (const signal of SIGNALS) process.removeListener(signal, onSignal);
      process.removeListener("disconnect", onOrphaned);
      resolve(reason);
    };
    const onSignal = (signal: string): void => stop(signal);
    const onOrphaned = (): void => stop("the process that started it is gone");
    for (const signal of SIGNALS) process.on(signal, onSignal);
    // Only where a parent holds a channel to it, as `runbeat up` does.
    process.on("disconnect", onOrphaned);
  });
}
